"""Attacks the model that ships, and prints what was lost.

python -m tests.attacks --count 100
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from tyro.conf import arg

from inference.cli import run, say
from inference.markdown import tabulate
from inference.models import SHIPPED
from tests.attacks.attacks import ATTACKS, attack


def attack_all(count: Annotated[int, arg(metavar="N")] = 100) -> int:
    """Try every kind of attack on inference.segment; exit code 1 if anything was lost.

    Args:
        count: Attacks of each kind.
    """
    with TemporaryDirectory() as work:
        rows = [attack(name, Path(work), SHIPPED, count) for name in ATTACKS]
    cells = [
        (row.attack, row.tried, row.lost, f"{row.before:.0f}", f"{row.after:.0f}") for row in rows
    ]
    say(tabulate(("attack", "tried", "lost", "MB before", "MB after"), cells))
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    run(attack_all)
