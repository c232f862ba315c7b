"""``trio-ohws doctor``: what works on the way to a server, what does not, and what to do about it."""

import argparse
import json
import sys
from typing import Any, Final

from trio_ohws._dial.tls import check_files
from trio_ohws.cli.escape import escaped
from trio_ohws.cli.examination import Examination, Finding
from trio_ohws.cli.looks import Looks
from trio_ohws.cli.parser import Parser
from trio_ohws.cli.target import declare_target, target_of
from trio_ohws.cli.verb import Verb

__all__ = ["DOCTOR"]

_STYLES: Final = {"ok": "green", "warn": "yellow", "FAIL": "bold red", "": ""}


def _declare(parser: Parser) -> None:
    declare_target(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object")


async def _doctor(arguments: argparse.Namespace) -> int:
    target = target_of(arguments)
    check_files(target.options)
    looks = Looks(sys.stdout)

    def show(finding: Finding) -> None:
        if not arguments.json:
            _print(finding, looks)

    if not arguments.json:
        print(f"doctor {target.server}", flush=True)
    findings = await Examination(target, show).run()
    failed = sum(finding.verdict == "FAIL" for finding in findings)
    warned = sum(finding.verdict == "warn" for finding in findings)
    if arguments.json:
        shown = [finding.to_dict() for finding in findings]
        summary: dict[str, Any] = {"server": target.server, "ok": not failed, "findings": shown}
        print(json.dumps(summary))
    elif failed or warned:
        print(f"{failed} failed, {warned} to look at")
    else:
        print("all is well")
    return 1 if failed else 0


def _print(finding: Finding, looks: Looks) -> None:
    mark = looks.styled(f"{finding.verdict:<4}", _STYLES[finding.verdict])
    taken = "" if finding.seconds is None else looks.styled(f"  {finding.seconds * 1e3:.1f} ms", "dim")
    print(f"{mark}  {finding.check:<12} {escaped(finding.says)}{taken}", flush=True)
    if finding.advice:
        print(f"{'':18} {looks.styled('->', 'bold')} {escaped(finding.advice)}", flush=True)


DOCTOR: Final = Verb("doctor", "find out what is wrong on the way to a server", "URL", _declare, _doctor)
