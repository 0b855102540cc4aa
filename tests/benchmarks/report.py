"""What the benchmarks here share: the machine's name, and where their figures go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import tyro

from inference.files import replacing
from inference.machine import processor, usable_cores

JsonFile = Annotated[
    Path | None,
    tyro.conf.arg(
        name="json",
        aliases=("--json-file",),
        metavar="FILE",
        help="Also write the figures to FILE as JSON.",
        help_behavior_hint="(optional)",
    ),
]


def describe_machine() -> str:
    """Processor and number of cores."""
    return f"{processor()}, {usable_cores()} cores"


def report(text: str, figures: dict[str, Any], json_file: Path | None) -> None:
    """Prints what was measured, and writes the figures behind it, with the machine's name."""
    print(text)
    if json_file:
        with replacing(json_file) as temporary:
            figures = {"machine": describe_machine(), **figures}
            temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
