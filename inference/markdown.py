"""Markdown tables whose columns line up in plain text, too."""

from __future__ import annotations

from collections.abc import Sequence


def tabulate(headings: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> str:
    """Formats rows as a Markdown table.

    Args:
        words: how many of the first columns hold text and are left-aligned; the rest holds numbers.
    """
    lines = [[*headings], *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule = ["-" * width if i < words else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    laid = [
        [cell.ljust(width) if i < words else cell.rjust(width) for i, (cell, width) in cells]
        for cells in (enumerate(zip(line, widths)) for line in (lines[0], rule, *lines[1:]))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in laid)
