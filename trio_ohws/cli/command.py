"""The command ``trio-ohws`` and its verbs."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio

from trio_ohws.cli.bench import BENCH
from trio_ohws.cli.completion import COMPLETION
from trio_ohws.cli.connect import CONNECT
from trio_ohws.cli.demo import DEMO
from trio_ohws.cli.doctor import DOCTOR
from trio_ohws.cli.echo_server import ECHO_SERVER
from trio_ohws.cli.interrupt import until_interrupted
from trio_ohws.cli.narration import say
from trio_ohws.cli.parser import Parser
from trio_ohws.cli.ping import PING
from trio_ohws.cli.verb import UsageError, Verb
from trio_ohws.errors import CERTIFICATE_MISSING, PARAMETER_ERROR, URL_ERROR, BusinessError

__all__ = ["main"]

_VERBS: Final = (CONNECT, PING, BENCH, DOCTOR, ECHO_SERVER, DEMO, COMPLETION)
_USED_WRONGLY: Final = frozenset({PARAMETER_ERROR, URL_ERROR, CERTIFICATE_MISSING})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; None for the process's own.

    Returns:
        0 if all went well; 1 if something failed; 2 if the command was used wrongly; 128 and the number of
        the signal that ended it, which is 130 for Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    verb: Verb = options.verb
    try:
        status = trio.run(until_interrupted, partial(_run, verb, options))
        if sys.stdout is not None:  # it is where the command was started with a closed one
            sys.stdout.flush()
    except KeyboardInterrupt:  # twice, or before there was anything to end
        status = 130
    except BrokenPipeError:
        # Nobody reads on, which is nobody's fault; Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if status > 128:
        say("interrupted")
    return status


async def _run(verb: Verb, options: argparse.Namespace) -> int:
    try:
        return await verb.run(options)
    except BusinessError as error:
        say(f"trio-ohws {verb.name}: {error}")
        return 2 if error.code in _USED_WRONGLY else 1
    except UsageError as error:
        say(f"trio-ohws {verb.name}: {error}")
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk that is full, for instance
        say(f"trio-ohws {verb.name}: {error.strerror or error}")
        return 1


def _parser() -> Parser:
    parser = Parser(
        prog="trio-ohws", description="OpenHarmony's WebSocket client, on Trio, at the command line."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB [options]", title="verbs")
    parsers: dict[str, Parser] = {}  # completed here, and read by the verb `completion`
    for verb in _VERBS:
        usage = " ".join(filter(None, ["trio-ohws", verb.name, "[options]", verb.operands]))
        inner = verbs.add_parser(
            verb.name,
            usage=usage,
            help=verb.summary,
            description=f"{verb.summary[0].upper()}{verb.summary[1:]}.",
        )
        verb.declare(inner)
        inner.set_defaults(verb=verb, parsers=parsers)
        parsers[verb.name] = inner
    return parser
