"""What Autobahn's index.json says, and whether we are content with it."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ACCEPTED = {"OK", "INFORMATIONAL"}
VERDICTS = ("OK", "informational", "non-strict", "unimplemented", "failed")
"""What may become of a case, all in all; the columns of the published table."""


@dataclass(frozen=True)
class Report:
    """The verdicts on one agent: `results` by case id, as index.json has them."""

    results: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, folder: Path, agent: str) -> Self:
        """Read the report that the server wrote into `folder`."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return cls(index[agent])

    @property
    def complaints(self) -> list[str]:
        """Everything that is neither OK nor informational, as a sentence per case."""
        return [
            f"case {case}: {result['behavior']}, close {result['behaviorClose']}"
            for case, result in sorted(self.results.items(), key=lambda item: _by_number(item[0]))
            if not {result["behavior"], result["behaviorClose"]} <= ACCEPTED
        ]

    def verdict(self, case: str) -> str:
        """What became of a case: of what Autobahn says of its frames, and of its end, the worse."""
        said = {self.results[case]["behavior"], self.results[case]["behaviorClose"]}
        named = [verdict for verdict in VERDICTS[:-1] if verdict.upper() in said]
        return named[-1] if said <= {verdict.upper() for verdict in VERDICTS[:-1]} else "failed"

    def count(self, field: str = "behavior") -> Counter[str]:
        """How often each verdict was given, in `behavior` or in `behaviorClose`."""
        return Counter(result[field] for result in self.results.values())

    def __str__(self) -> str:
        lines = [f"{len(self.results)} cases"]
        lines += [
            f"{field}: " + ", ".join(f"{verdict} {n}" for verdict, n in self.count(field).most_common())
            for field in ("behavior", "behaviorClose")
        ]
        return "\n".join(lines + self.complaints)


def _by_number(case: str) -> list[int]:
    return [int(part) for part in case.split(".")]
