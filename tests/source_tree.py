"""The project's modules, their imports and its commands, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = {
    "inference": {"inference"},
    "training": {"training", "inference"},
    "export": {"export", "training", "inference"},
    "app": {"app", "inference"},
}


def list_modules(folder: str) -> dict[str, Path]:
    """Dotted name and path of every module under a top-level folder; a package is its __init__.py."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    assert found, folder
    return found


MODULES = {name: path for layer in LAYERS for name, path in list_modules(layer).items()}


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports: in functions and under TYPE_CHECKING, too.

    `from a.b import c` is both a.b and a.b.c: c may be a module or a name in one.
    """
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(path: Path, modules: dict[str, Path]) -> set[str]:
    """Those of `modules` that a file imports; a package only counts for names of its own __init__."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else str(node.module) for name in names}
    return found & modules.keys()


def find_guard(path: Path) -> ast.If | None:
    """A file's `if __name__ == "__main__"`, or None."""
    for node in parse(path).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            return node
    return None


def list_commands(folder: str) -> list[str]:
    """What follows `python -m`: the modules of a folder that have such a guard."""
    named = [name for name, path in list_modules(folder).items() if find_guard(path)]
    return [name.removesuffix(".__main__") for name in named]


COMMANDS = [command for layer in LAYERS for command in list_commands(layer)]
