"""Fits how far a model's outlines can be trusted, and writes it into the model file's contract.

python -m export.fit_confidence model.onnx data --also model-int8.onnx
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from export.confidence_fit import Fit, fit_contract
from export.data_set import pool_split, read_manifest
from export.onnx_file import replace_contract
from inference.cli import Threads, run, say
from inference.errors import InputError
from inference.files import replacing
from inference.machine import usable_cores
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import require_threads
from inference.scoring.risk import assess_doubt
from inference.scoring.table import describe_doubt


def fit_confidence(
    model: Annotated[Path, Positional, arg(metavar="MODEL")],
    data: Annotated[Path, Positional, arg(metavar="DATA")],
    also: Annotated[tuple[Path, ...], arg(metavar="MODEL [MODEL ...]")] = (),
    threads: Threads = 0,
) -> None:
    """Fit how far a model's outlines can be trusted, on validation images; the model file keeps it.

    Segmentation then reports for each image its expected Jaccard index, whether its outline should be
    checked, and whether it shows something other than a lesion. The model's output does not change.

    Args:
        model: ONNX file that export.to_onnx wrote; its contract is replaced.
        data: Data set that training.prepare wrote. The fit uses its validation images, unchanged and
            corrupted, and bare skin cropped from its training images.
        also: Other files with the same weights, such as the INT8 file, which get the same coefficients:
            what INT8 computes depends on the processor.
    """
    files = [model, *also]
    for path in files:
        if path.suffix != ".onnx":
            raise InputError(
                f"{path}: must end in .onnx; fit the .onnx file, then convert it again"
            )
    require_threads(threads)
    threads = threads or usable_cores()
    manifest = read_manifest(data)
    valid, train = (pool_split(data, manifest, split) for split in ("valid", "train"))
    segmenter = Segmenter(model, 1, "cpu")
    Segmenter(model, 1, "cpu", ensemble=also)  # which refuses files of another contract
    fit = fit_contract(segmenter, valid, train, threads)
    with ExitStack() as stack:
        for path in files:
            replace_contract(path, fit.entries, stack.enter_context(replacing(path)))
    report(fit, files)


def report(fit: Fit, files: Sequence[Path]) -> None:
    """Prints what was fitted, and how it does on the images that it was fitted on."""
    for name, value in fit.entries.items():
        say(f"{name}: {value}")
    doubt = assess_doubt(fit.expected, fit.jaccard)
    found = ", ".join(
        f"{share} find {'-' if part is None else f'{part:.0%}'}"
        for share, part in doubt["found"].items()
    )
    say(
        f"on the {len(fit.expected)} validation images: {describe_doubt(doubt)}; of the failures, the "
        f"worst {found}"
    )
    say(
        f"{fit.suspected:.1%} of them and {fit.found:.1%} of {fit.others} pictures of something else are "
        "reported as showing no lesion"
    )
    say(f"written to {', '.join(map(str, files))}")


if __name__ == "__main__":
    run(fit_confidence)
