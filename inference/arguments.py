"""Command lines to arguments; a mistake is one line, where tyro draws a box.

run(segment) in a command parses with it.
"""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout, suppress
from typing import Any

import tyro

from inference.errors import InputError

try:
    from tyro import _errors as events  # private: without it, tyro draws its boxes
except ImportError:
    events = None  # type: ignore[assignment]

# What Python says of a text that is no number, and what the text should have been.
NUMBERS = {
    r"invalid literal for int\(\) with base 10: '(.*)'": "a whole number",
    r"could not convert string to float: '(.*)'": "a number",
}


def parse(target: Callable[..., Any], **options: Any) -> Any:
    """tyro.cli: calls a command, or builds a dataclass, with the arguments of a command line.

    Args:
        options: of tyro.cli.

    Raises:
        InputError: an option is unknown or incomplete, or a value is not allowed; of one line.
        SystemExit: help was asked for.
    """
    if events is None:
        return tyro.cli(target, **options)

    def refuse(event: Any) -> None:
        if said := explain(event, lambda: list_flags(target, options)):
            raise InputError(said)

    with events.on_parse_error(refuse):
        return tyro.cli(target, **options)


def explain(event: Any, flags: Callable[[], Iterable[str]]) -> str | None:
    """What a person gave, the rule and the fix; None for a kind of mistake that is not known.

    Args:
        event: tyro's description of the mistake.
        flags: finds those of the command.
    """
    help_line = f"see {event.prog} --help"
    if isinstance(event, events.UnrecognizedArgs):
        return explain_unknown(event.tokens, flags, help_line)
    if isinstance(event, events.MissingArgs):
        if event.unrecognized_tokens:
            return explain_unknown(event.unrecognized_tokens, flags, help_line)
        missing = ", ".join(name_argument(each.arg) for each in event.missing_arguments)
        return f"{missing}: must be given; {help_line}"
    name = name_argument(getattr(event, "argument", None))
    if isinstance(event, events.InvalidChoice):
        near = find_near(event.value, event.choices)
        fix = f"did you mean {near[0]}?" if near else help_line
        return f"{name} {event.value}: must be one of {', '.join(event.choices)}; {fix}"
    if isinstance(event, events.BadValue) and event.reason == "too_few_values":
        return f"{name}: needs a value; {help_line}"
    if isinstance(event, events.InstantiationFailure):
        return f"{explain_value(name, event)}; {help_line}"
    return None


def explain_unknown(
    tokens: Sequence[str], flags: Callable[[], Iterable[str]], help_line: str
) -> str:
    """What is wrong with parts of a command line that belong to no option."""
    unknown = [token.partition("=")[0] for token in tokens if token.startswith("-")]
    if not unknown:
        return f"{tokens[0]}: is one argument too many; {help_line}"
    near = [match for name in unknown for match in find_near(name, flags())]
    fix = f"did you mean {', '.join(near)}?" if near else help_line
    return f"{', '.join(unknown)}: no such option; {fix}"


def explain_value(name: str, event: Any) -> str:
    """What is wrong with a value."""
    for pattern, kind in NUMBERS.items():
        if found := re.search(pattern, event.message):
            return f"{name} {found[1]}: must be {kind}"
    if found := re.search(r"for arguments: (\[.*\])", event.message):
        given = " ".join(re.findall(r"'(.*?)'", found[1]))
        return f"{name} {given}: must be {event.argument.lowered.metavar}"
    return f"{name}: {' '.join(event.message.split())}"


def name_argument(argument: Any) -> str:
    """What a person types for an argument: its flag, or what help calls it."""
    if argument is None:
        return "arguments"
    return str(argument.lowered.metavar if argument.is_positional() else argument.display_name())


def find_near(given: str, names: Iterable[str]) -> list[str]:
    """The name that is most like what was given, if one is like it."""
    return difflib.get_close_matches(given.replace("_", "-"), names, n=1, cutoff=0.7)


def list_flags(target: Callable[..., Any], options: dict[str, Any]) -> list[str]:
    """The flags of a command, as its help shows them."""
    shown = io.StringIO()
    with redirect_stdout(shown), suppress(SystemExit):
        tyro.cli(target, **{**options, "args": ["--help"]})
    return re.findall(r"(?:^\W*|, )(--[a-z][a-z0-9-]*)", shown.getvalue(), re.MULTILINE)
