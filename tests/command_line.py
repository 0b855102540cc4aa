"""The project's commands as `python -m` starts them, in this process: without the wait for torch."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any
from unittest.mock import patch

import tyro

from tests.source_tree import find_guard, list_modules


def start(command: str, *arguments: str) -> int:
    """Runs `python -m COMMAND ARGUMENTS`; its exit code."""
    modules = list_modules(command.split(".")[0])
    name = f"{command}.__main__" if f"{command}.__main__" in modules else command
    guard = find_guard(modules[name])
    assert guard, f"python -m {command}: does nothing"
    namespace = dict(vars(import_module(name)))
    code = compile(ast.Module(guard.body, []), str(modules[name]), "exec")
    with patch.object(sys, "argv", [str(modules[name]), *arguments]):
        try:
            exec(code, namespace)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def parse(command: str, *arguments: str) -> int:
    """The same, but ends when the command's own parser has read the arguments; 0 if it took them."""
    with patch.object(tyro, "cli", functools.partial(parse_only, tyro.cli)):
        return start(command, *arguments)


def parse_only(cli: Callable[..., Any], target: Callable[..., Any], **options: Any) -> None:
    """tyro.cli for a target that does nothing."""
    if not isinstance(target, type):

        @functools.wraps(target)
        def do_nothing(*_: Any, **__: Any) -> None:
            pass

        target = do_nothing
    cli(target, **options)
    sys.exit(0)
