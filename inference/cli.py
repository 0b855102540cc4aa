"""What the commands share: how they start, end and speak, and options that mean the same everywhere.

if __name__ == "__main__":
    run(segment)
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

from rich.console import Console
from rich.progress import track as track_progress
from tyro.conf import Positional, arg

from inference.arguments import parse
from inference.errors import InputError
from inference.images.mask_levels import MaskLevels
from inference.pipes import surviving_closed_pipes
from inference.runtime.pool import find_threads
from inference.runtime.providers import AUTO, Provider

Item = TypeVar("Item")

# Control characters but for line feed and tab, line separators, marks that turn the direction of text,
# and bytes of names that are not UTF-8.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
INTERRUPTED = 130  # the exit code of Ctrl-C, as shells count: 128 and the signal
CRASHED = 70  # the exit code of a fault in the program, as sysexits.h numbers it

# An option is `threads: Threads = 0` in a command's signature; its help is here and nowhere else.
MODEL_HELP = "Model file, .onnx or .om, as `make export` writes it."
PROVIDER_HELP = (
    "Runtime: cpu, openvino (also on the CPU, usually faster), cuda, tensorrt, or cann (Ascend). "
    f"auto takes the first of {', '.join(AUTO)} that can open the model; it never takes tensorrt, which "
    "needs minutes to build its engine."
)
SHIPS = "(default: the shipped model)"

ImageFolder = Annotated[Path, Positional, arg(metavar="IMAGES", help="Folder of images.")]
MaskFolder = Annotated[
    Path,
    Positional,
    arg(
        metavar="MASKS",
        help="Folder of their true masks, NAME_segmentation.png, NAME_mask.png or NAME.png.",
    ),
]
FolderPairs = Annotated[
    list[Path],
    Positional,
    arg(
        metavar="IMAGES MASKS [IMAGES MASKS ...]",
        help="Folders of images, each followed by the folder of their true masks.",
        help_behavior_hint="(required)",
    ),
]
ImagesOption = Annotated[
    Path | None,
    arg(name="images", metavar="IMAGES", help="Folder of images.", help_behavior_hint="(optional)"),
]
MasksOption = Annotated[
    Path | None,
    arg(
        name="masks",
        metavar="MASKS",
        help="Folder of the true masks of --images.",
        help_behavior_hint="(optional)",
    ),
]
MaskLevelsOption = Annotated[
    MaskLevels | None,
    arg(
        name="mask-levels",
        help="Values in the masks. 255: values above 128 are lesion, as in the official scorer; 01: 1 is "
        "lesion. Default: 255, but masks of 0 and 1 are refused.",
        help_behavior_hint="(optional)",
    ),
]
ModelOption = Annotated[Path, arg(metavar="MODEL", help=MODEL_HELP, help_behavior_hint=SHIPS)]
ModelsOption = Annotated[
    tuple[Path, ...],
    arg(
        name="model",
        metavar="MODEL [MODEL ...]",
        help="Model files, .onnx or .om.",
        help_behavior_hint="(default: the shipped files)",
    ),
]
EnsembleOption = Annotated[
    tuple[Path, ...],
    arg(
        name="ensemble",
        metavar="MODEL [MODEL ...]",
        help="More model files, whose probabilities are averaged with those of --model.",
        help_behavior_hint="(optional)",
    ),
]
TtaOption = Annotated[
    bool,
    arg(
        name="tta",
        aliases=("--flips",),
        help="Test-time augmentation: average over the image and its three flips; 4 times slower.",
    ),
]
ThresholdOption = Annotated[
    float | None,
    arg(
        name="threshold",
        metavar="P",
        help="A pixel is lesion if its probability is above P.",
        help_behavior_hint="(default: the model's own, usually 0.5)",
    ),
]
Threads = Annotated[
    int, arg(metavar="N", help="CPU cores to use.", help_behavior_hint="(default: 0, all cores)")
]
ProviderOption = Annotated[Provider, arg(help=PROVIDER_HELP)]
ProvidersOption = Annotated[tuple[Provider, ...], arg(help=PROVIDER_HELP)]
BatchSizes = Annotated[tuple[int, ...], arg(name="batch", metavar="N [N ...]", help="Batch sizes.")]
Rounds = Annotated[int, arg(metavar="N", help="Timed runs of each row.")]
JsonFile = Annotated[
    Path | None,
    arg(
        name="json",
        metavar="FILE",
        help="Also write the results to FILE as JSON.",
        help_behavior_hint="(optional)",
    ),
]
CsvFile = Annotated[
    Path | None,
    arg(
        name="csv",
        metavar="FILE",
        help="Also write the table to FILE as CSV.",
        help_behavior_hint="(optional)",
    ),
]


def run(command: Callable[..., int | None]) -> None:
    """Parses the command line into `command`'s arguments, runs it and exits.

    Exit code: what the command returns (None is 0), 2 for bad input, 70 for a fault of the program,
    130 for Ctrl-C.
    """
    spec = sys.modules[command.__module__].__spec__
    prog = f"python -m {spec.name.removesuffix('.__main__')}" if spec else None
    with one_line_errors():
        sys.exit(parse(command, prog=prog))


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with one line on stderr for an error; its own faults show a traceback first.

    If the reader of stdout or stderr goes away, the program goes on in silence.
    """
    with surviving_closed_pipes(), exit_with_line():
        yield


@contextmanager
def exit_with_line() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (InputError, OSError) as error:
        warn(f"error: {escape_line(str(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        leave(INTERRUPTED)
    except Exception as error:
        warn(traceback.format_exc().rstrip("\n"))
        reason = escape_line(f"{type(error).__name__}: {error}")
        warn(f"error: the program failed ({reason}): please report it, with the lines above")
        sys.exit(CRASHED)


def leave(code: int) -> None:
    """Ends the program; at once if a thread of a pool is still at work, for which Python would wait."""
    if find_threads():
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def say(text: str) -> None:
    """Prints text on stdout; characters that its encoding lacks (file names have any) are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(escape(text).encode(encoding, "backslashreplace").decode(encoding))


def warn(text: str) -> None:
    """Prints text on stderr, above the progress bar if there is one."""
    print(escape(text), file=sys.stderr)


def escape(text: str) -> str:
    """Text that a terminal shows and does not obey: what it would obey is escaped, but for \\n and \\t.

    Names of files and archive members hold any character: some colour the terminal, rename its window or
    turn a line backwards.
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def escape_line(text: str) -> str:
    """The same on one line: line feeds and tabs are escaped too."""
    return escape(text).replace("\n", "\\n").replace("\t", "\\t")


def track(items: Iterable[Item], doing: str, total: int) -> Iterator[Item]:
    """Yields the items under a progress bar on stderr; none where stderr is not a terminal."""
    console = Console(stderr=True)
    yield from track_progress(
        items, doing, total, console=console, transient=True, disable=not console.is_terminal
    )
