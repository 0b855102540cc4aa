"""A mistake on the command line is one line: what was given, the rule, the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from tyro.conf import Positional, arg

from inference.arguments import parse
from inference.errors import InputError

Images = Annotated[list[Path], Positional, arg(metavar="IMAGES")]
HELP = "see python -m command --help"


def command(
    images: Images,
    threshold: float | None = None,
    threads: int = 0,
    provider: Literal["cpu", "cuda"] = "cpu",
    batch: tuple[int, ...] = (1,),
    tta: bool = False,
) -> int:
    return len(images)


def one(image: Annotated[Path, Positional, arg(metavar="IMAGE")], output: Path) -> None: ...


def refuse(target: object, line: str) -> str:
    with pytest.raises(InputError) as refused:
        parse(target, args=line.split(), prog="python -m command")  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a --thresold 0.4", "--thresold: no such option; did you mean --threshold?"),
        ("a --Threads=4", "--Threads: no such option; did you mean --threads?"),
        ("--thread_s 2", "--thread_s: no such option; did you mean --threads?"),
        ("a --no_taa", "--no_taa: no such option; did you mean --no-tta?"),
        (
            "a --bach 1 --provder cpu",
            "--bach, --provder: no such option; did you mean --batch, --provider?",
        ),
        ("a --zzz", f"--zzz: no such option; {HELP}"),
        ("a -t 4", f"-t: no such option; {HELP}"),
        ("a --provider cdua", "--provider cdua: must be one of cpu, cuda; did you mean cuda?"),
        ("a --provider npu", f"--provider npu: must be one of cpu, cuda; {HELP}"),
        ("a --threads four", f"--threads four: must be a whole number; {HELP}"),
        ("a --threads 1.5", f"--threads 1.5: must be a whole number; {HELP}"),
        ("a --threshold=half", f"--threshold half: must be a number; {HELP}"),
        ("a --batch 1 two", f"--batch 1 two: must be [INT [INT ...]]; {HELP}"),
        ("a --threads", f"--threads: needs a value; {HELP}"),
    ],
)
def test_mistakes(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse(command, line) == said
    assert capsys.readouterr() == ("", "")


def test_missing_and_superfluous_arguments() -> None:
    assert refuse(one, "--output o") == f"IMAGE: must be given; {HELP}"
    assert refuse(one, "") == f"IMAGE, --output: must be given; {HELP}"
    assert refuse(one, "a b --output o") == f"b: is one argument too many; {HELP}"


def test_what_is_right_is_parsed() -> None:
    assert parse(command, args="a b --threads 2 --no-tta --batch 1 2".split()) == 2


def test_an_option_that_lists_choices_of_another_kind_is_one_line_too() -> None:
    def odd(folds: Annotated[dict[str, int], arg(metavar="K V")]) -> None: ...

    assert "\n" not in refuse(odd, "--folds a")
