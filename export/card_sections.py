"""The sections of a model's card that are measured or counted: Markdown, most of it tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from export.corruptions import CORRUPTIONS
from export.torch_subjects import reference_subject
from inference.benchmark.comparison import compare_subjects
from inference.benchmark.subjects import open_subjects
from inference.benchmark.table import to_markdown
from inference.cli import track
from inference.images.pixels import read_image, read_mask
from inference.images.write import write_image
from inference.machine import processor
from inference.markdown import tabulate
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import installed_providers
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs
from inference.scoring.risk import LOOKED_AT
from training.weights import open_network

SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")
Scores = dict[tuple[str, str, str], dict[str, Any]]  # by split, source and name of the model file


def describe_files(files: list[Path]) -> str:
    rows = [[f"`{path.name}`", f"{path.stat().st_size / 1e6:.1f}"] for path in files]
    return tabulate(["file", "MB"], rows)


def describe_network(model: Path, checkpoint: Path) -> str:
    contract = Segmenter(model).contract
    network, _ = open_network(checkpoint)
    weights = sum(weight.numel() for weight in network.parameters())
    made = contract.provenance
    clean_up = [
        text
        for chosen, text in (
            (contract.largest_region, "only the largest region is kept"),
            (contract.fill_holes, "its holes are filled"),
        )
        if chosen
    ]
    return (
        f"`{made['arch']}`, width {made['width']}: {weights / 1e6:.2f} M parameters, "
        f"{made['gflop']:.2f} GFLOP for an image of "
        f"{contract.size} x {contract.size}; threshold {contract.threshold}; "
        f"{' and '.join(clean_up) or 'no clean-up'}."
    )


def describe_shape(model: Path) -> str:
    """The flags of training.train that make the network of a model file."""
    made = Segmenter(model).contract.provenance
    return f"--arch {made['arch']} --width {made['width']}"


def describe_data(manifest: list[dict[str, str]]) -> str:
    counts = Counter((row["source"], row["split"]) for row in manifest)
    sources = sorted({source for source, _ in counts})
    rows = [
        [name_source(source), *(counts[source, split] for split in ("train", "valid", "test"))]
        for source in sources
    ]
    return tabulate(["source", "train", "valid", "test"], rows)


def name_source(source: str) -> str:
    return source or "isic2018"


def describe_scores(scores: Scores) -> str:
    headings = ["images", "n", *(name.replace("_", " ") for name in SHOWN)]
    headings += ["95 % of dice", "pooled dice", "failures"]
    rows = []
    for (split, source, file), found in scores.items():
        low, high = found["intervals"]["dice"]
        rows.append([
            f"{split}, {name_source(source)}, `{file}`",
            found["images"],
            *(f"{found[name]:.4f}" for name in SHOWN),
            f"{low:.4f} to {high:.4f}",
            f"{found['pooled']['dice']:.4f}",
            f"{found['failure_rate']:.1%}",
        ])  # fmt: skip
    return tabulate(headings, rows)


def describe_groups(scores: Scores, file: str) -> str:
    rows = [
        [f"{name_source(source)}: {name}", group["images"], *(f"{group[key]:.4f}" for key in SHOWN)]
        for (split, source, of), found in scores.items()
        if split == "test" and of == file
        for name, group in found["groups"].items()
    ]
    return tabulate(["true lesion", "n", *(name.replace("_", " ") for name in SHOWN)], rows)


def describe_doubt(scores: Scores) -> str:
    """How well the expected Jaccard index finds failures, for the files whose contract has it."""
    rows = []
    for (split, source, file), found in scores.items():
        if doubt := found.get("doubt"):
            rows.append([
                f"{split}, {name_source(source)}, `{file}`",
                f"{found['failure_rate']:.1%}",
                *("-" if part is None else f"{part:.0%}" for part in doubt["found"].values()),
                "-" if doubt["auroc"] is None else f"{doubt['auroc']:.3f}",
                f"{doubt['calibration_error']:.3f}",
                f"{doubt['suspected']:.1%}",
            ])  # fmt: skip
    looked_at = [f"found in {share:.0%}" for share in LOOKED_AT]
    headings = ["images", "failures", *looked_at, "AUROC", "calibration error", "no lesion"]
    return tabulate(headings, rows) if rows else "(its contract has no such figure)"


def describe_corruptions(model: Path, pairs: Pairs, threads: int) -> str:
    """Scores on the same images, each corrupted in every way of `CORRUPTIONS`."""
    segmenter = Segmenter(model, threads, "cpu")
    rows = []
    for name, corrupt in track(CORRUPTIONS.items(), "corruptions", len(CORRUPTIONS)):
        with tempfile.TemporaryDirectory() as folder:
            corrupted: Pairs = {}
            for number, (key, (path, mask_path)) in enumerate(pairs.items()):
                image, mask = corrupt(read_image(path), read_mask(mask_path))
                corrupted[key] = Path(folder, f"{number}.png"), Path(folder, f"{number}-mask.png")
                for file, pixels in zip(corrupted[key], (image, 255 * mask.astype(np.uint8))):
                    write_image(file, pixels)
            found = score_model(segmenter, corrupted, threads)
        rows.append([name, *(f"{found[key]:.4f}" for key in SHOWN), f"{found['failure_rate']:.1%}"])
    return tabulate(
        [f"{len(pairs)} images", *(key.replace("_", " ") for key in SHOWN), "failures"], rows
    )


def describe_speed(files: list[Path], rounds: int, threads: int) -> str:
    """Rates on this machine, with the reference network (width 64) in torch as the first row."""
    size = Segmenter(files[0]).contract.size
    subjects, failed = open_subjects(files, installed_providers(), (1,), threads)
    rows, peak = compare_subjects(
        [reference_subject(size, threads), *subjects], [], rounds, threads
    )
    for row in rows:
        row.difference = None  # from a network with other weights, it means nothing
    machine = f"{processor()}, {threads} threads, {peak:.0f} GFLOP/s in a matrix product"
    return f"{to_markdown([*rows, *failed])}\n\n{machine}; medians of {rounds} interleaved runs."
