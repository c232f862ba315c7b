"""Let atheris search: ``python -m tests.fuzz TARGET [OPTION OF LIBFUZZER ...] [INPUT ...]``.

`make fuzz` runs all targets. What an input teaches is kept in ``.fuzz/TARGET``, so that the next run goes on
from there; what breaks a law in ``.fuzz``, by a name of libFuzzer. With inputs it runs those alone.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trio_ohws", "python_socks", "websockets.headers"]):
    from tests.fuzz.targets import CORPUS, TARGETS

if __name__ == "__main__":
    program, name, *arguments = sys.argv
    target = TARGETS[name]
    learnt = Path(".fuzz", name)
    learnt.mkdir(parents=True, exist_ok=True)
    if all(argument.startswith("-") for argument in arguments):
        arguments += [str(learnt), str(CORPUS / name)]
    limits = ["-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"]  # bytes, seconds of one input, MiB
    atheris.Setup(
        [program, *limits, f"-artifact_prefix=.fuzz/{name}-", *arguments], lambda data: target(data) and None
    )
    atheris.Fuzz()
