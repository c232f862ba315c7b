"""Let atheris search: ``python -m tests.fuzz TARGET [OPTION OF LIBFUZZER ...]``.

`make fuzz` runs all targets. What an input teaches is kept in ``.fuzz/TARGET``, so that the next run goes on
from there; what breaks a law in ``.fuzz``, by the name that libFuzzer gives it.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trio_ohws", "python_socks", "websockets.headers"]):
    from tests.fuzz.targets import CORPUS, TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    found = Path(".fuzz", name)
    found.mkdir(parents=True, exist_ok=True)
    defaults = ["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix=.fuzz/{name}-"]
    atheris.Setup(
        [sys.argv[0], *defaults, *options, str(found), str(CORPUS / name)], lambda data: target(data) and None
    )
    atheris.Fuzz()
