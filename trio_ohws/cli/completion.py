"""``trio-ohws completion``: a script for a shell that completes what is typed, made from the parsers."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from trio_ohws.cli.parser import Parser
from trio_ohws.cli.verb import Verb

__all__ = ["COMPLETION", "SHELLS", "script_for"]

SHELLS: Final = ("bash", "zsh", "fish")

_BASH: Final = """\
# To use it: source <(trio-ohws completion bash)
_trio_ohws() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} files='' values='' words=''
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words='{verbs}'
    else
        case ${{COMP_WORDS[1]}} in
{cases}
        esac
        case " $files " in *" $before "*) COMPREPLY=($(compgen -f -- "$word")); return ;; esac
        case " $values " in *" $before "*) return ;; esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o filenames -F _trio_ohws trio-ohws
"""
_BASH_CASE: Final = "            {verb}) files='{files}' values='{values}' words='{words}' ;;"

_ZSH: Final = """\
#compdef trio-ohws
# To use it: source <(trio-ohws completion zsh)
_trio_ohws() {{
    local -a verbs=(
{verbs}
    )
    if ((CURRENT == 2)); then
        _describe verb verbs
        return
    fi
    shift words
    ((CURRENT--))
    case $words[1] in
{cases}
    esac
}}
compdef _trio_ohws trio-ohws
"""

_FISH: Final = """\
# To use it: trio-ohws completion fish | source
complete -c trio-ohws -f
{verbs}
{options}
"""


def _declare(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="|".join(SHELLS), help=argparse.SUPPRESS)


async def _completion(arguments: argparse.Namespace) -> int:  # noqa: ASYNC124  # as every verb
    print(script_for(arguments.shell, arguments.parsers), end="")
    return 0


def script_for(shell: str, parsers: Mapping[str, Parser]) -> str:
    """Write the script.

    Args:
        shell: one of `SHELLS`.
        parsers: those of the verbs, by their names.
    """
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parsers)


def _bash(parsers: Mapping[str, Parser]) -> str:
    cases = []
    for verb, parser in parsers.items():
        options = list(_options(parser))
        words = [*_spellings(options), *_choices(parser)]
        files = _spellings(option for option in options if _wants_file(option))
        values = _spellings(option for option in options if option.metavar and not _wants_file(option))
        cases.append(
            _BASH_CASE.format(
                verb=verb, files=" ".join(files), values=" ".join(values), words=" ".join(words)
            )
        )
    return _BASH.format(verbs=" ".join(parsers), cases="\n".join(cases))


def _zsh(parsers: Mapping[str, Parser]) -> str:
    verbs = [f"        {_quoted(f'{verb}:{_summary(parser)}')}" for verb, parser in parsers.items()]
    cases = []
    for verb, parser in parsers.items():
        words = [_zsh_option(option, name) for option in _options(parser) for name in option.option_strings]
        words += [_quoted(f"1:value:({' '.join(_choices(parser))})")] if _choices(parser) else []
        lines = " \\\n                ".join(words)
        cases.append(f"        {verb})\n            _arguments \\\n                {lines} ;;")
    return _ZSH.format(verbs="\n".join(verbs), cases="\n".join(cases))


def _zsh_option(option: argparse.Action, name: str) -> str:
    words = (option.help or "").replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    value = ""
    if option.metavar:
        value = f":{option.metavar}:{'_files' if _wants_file(option) else ' '}"
    return _quoted(f"*{name}[{words}]{value}")


def _fish(parsers: Mapping[str, Parser]) -> str:
    verbs = [
        f"complete -c trio-ohws -n __fish_use_subcommand -a {verb} -d {_quoted(_summary(parser))}"
        for verb, parser in parsers.items()
    ]
    lines = []
    for verb, parser in parsers.items():
        start = f"complete -c trio-ohws -n '__fish_seen_subcommand_from {verb}'"
        for option in _options(parser):
            names = [
                f"-{'l' if name[1] == '-' else 's'} {name.lstrip('-')}" for name in option.option_strings
            ]
            value = ["-rF" if _wants_file(option) else "-x"] if option.metavar else []
            lines.append(" ".join([start, *names, *value, "-d", _quoted(option.help or "")]))
        lines += [f"{start} -a {choice}" for choice in _choices(parser)]
    return _FISH.format(verbs="\n".join(verbs), options="\n".join(lines))


def _options(parser: Parser) -> Iterator[argparse.Action]:
    for argument in parser.arguments:
        if argument.option_strings and argument.help != argparse.SUPPRESS:
            yield argument


def _spellings(options: Iterator[argparse.Action] | Sequence[argparse.Action]) -> list[str]:
    return [name for option in options for name in option.option_strings]


def _choices(parser: Parser) -> list[str]:
    return [choice for argument in parser.arguments for choice in argument.choices or ()]


def _wants_file(option: argparse.Action) -> bool:
    return option.metavar == "FILE"


def _summary(parser: Parser) -> str:
    return (parser.description or "").rstrip(".")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


COMPLETION: Final = Verb(
    "completion", "print a script that completes what is typed", "|".join(SHELLS), _declare, _completion
)
