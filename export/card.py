"""Writes the card of the model that ships: what it was made from, what it scores, how fast it is.

python -m export.card model.onnx runs/second/best.pt data --int8 model-int8.onnx --runs runs/a runs/b

The prose is export/card.md's; scores and speeds are measured here, now. To be run in the folder that the
training was started in.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from pathlib import Path
from string import Template
from typing import Annotated, Any

import tyro

from export.benchmark import reference_subject
from export.corruptions import CORRUPTIONS
from export.sweep import tabulate_sweep
from inference.benchmark.comparison import compare_subjects, require_counts
from inference.benchmark.subjects import open_subjects
from inference.benchmark.table import to_markdown
from inference.cli import run, track
from inference.errors import InputError
from inference.files import replacing
from inference.images.pixels import read_image
from inference.images.write import write_image
from inference.machine import processor, usable_cores
from inference.markdown import tabulate
from inference.runtime.segmenter import Segmenter
from inference.runtime.session import installed_providers
from inference.scoring.evaluation import score_model
from inference.scoring.pairs import Pairs, find_pairs
from training import checkpoint as checkpoints
from training.compare import tabulate_runs
from training.config import make_config, to_flags
from training.weights import open_trained

PROSE = Path(__file__).with_name("card.md")
SHOWN = ("accuracy", "dice", "jaccard", "thresholded_jaccard")
WHEREABOUTS = {"data", "out", "init", "resume", "recipe", "device", "workers", "save_every"}


def write_card(
    model: Annotated[Path, tyro.conf.Positional],
    checkpoint: Annotated[Path, tyro.conf.Positional],
    data: Annotated[Path, tyro.conf.Positional],
    int8: Path | None = None,
    runs: tuple[Path, ...] = (),
    rounds: int = 20,
    threads: int = 0,
) -> None:
    """Write MODEL.md, MODEL.scores.json and MODEL.held-out.csv beside the model that ships.

    The prose tells of ISIC's crops and frames: change it for a model of other data.

    Args:
        model: The model file, as export.to_onnx wrote it.
        checkpoint: What it was exported from.
        data: The data set it was trained on, as training.prepare wrote it.
        int8: The model file in INT8.
        runs: Folders of short runs that the recipe was chosen by; the first is its starting point.
        rounds: Timed runs of each row of the table of speeds.
        threads: Cores to use; 0 is all of them.
    """
    require_counts(rounds, threads)
    threads = threads or usable_cores()
    # What can be wrong comes first: scoring takes minutes.
    recipe, compared = describe_recipe(checkpoint), tabulate_runs(list(runs)) if runs else "(none)"
    manifest = read_manifest(data)
    files = [model, *([int8] if int8 else [])]
    sources = sorted({row["source"] for row in manifest})
    scores = {
        (split, source, path.name): score_model(
            Segmenter(path, threads, "cpu"), find_split(data, source, split), threads
        )
        for split in ("valid", "test")
        for source in sources
        for path in files
    }
    validation = {
        f"{source}/{name}": files
        for source in sources
        for name, files in find_split(data, source, "valid").items()
    }
    values = {
        "name": model.stem,
        "files": describe_files(files),
        "network": describe_network(model, checkpoint),
        "shape": describe_shape(model),
        "recipe": recipe,
        "runs": compared,
        "variants": tabulate_sweep(checkpoint, validation, threads),
        "data": describe_data(manifest),
        "scores": describe_scores(scores),
        "groups": describe_groups(scores, model.name),
        "conditions": describe_conditions(model, validation, threads),
        "speed": describe_speed(files, rounds, threads),
    }
    with replacing(model.with_suffix(".md")) as temporary:
        temporary.write_text(
            Template(PROSE.read_text(encoding="utf-8")).substitute(values), encoding="utf-8"
        )
    with replacing(model.with_suffix(".scores.json")) as temporary:
        temporary.write_text(json.dumps(scores["test", "", model.name], indent=2) + "\n")
    with replacing(model.with_suffix(".held-out.csv")) as temporary:
        write_held_out(temporary, manifest)


def read_manifest(data: Path) -> list[dict[str, str]]:
    """The lines of a data set's manifest.csv."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def find_split(data: Path, source: str, split: str) -> Pairs:
    """Images and masks of one split of one source."""
    folder = data / source
    return find_pairs(folder / split, folder / f"{split}_GT")


def write_held_out(path: Path, manifest: list[dict[str, str]]) -> None:
    """Names and splits of all that the model was not trained on: name,split."""
    held_out = {row["name"]: row["split"] for row in manifest if row["split"] != "train"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "split"))
        writer.writerows(sorted(held_out.items()))


def describe_files(files: list[Path]) -> str:
    rows = [[f"`{path.name}`", f"{path.stat().st_size / 1e6:.1f}"] for path in files]
    return tabulate(["file", "MB"], rows)


def describe_network(model: Path, checkpoint: Path) -> str:
    contract = Segmenter(model).contract
    network, _ = open_trained(checkpoint)
    weights = sum(weight.numel() for weight in network.parameters())
    made = contract.provenance
    clean_up = [
        text
        for chosen, text in (
            (contract.largest_region, "the largest region alone is kept"),
            (contract.fill_holes, "its holes are filled"),
        )
        if chosen
    ]
    return (
        f"`{made['arch']}`, width {made['width']}: {weights / 1e6:.2f} M parameters, "
        f"{made['gflop']:.2f} GFLOP an image of "
        f"{contract.size} x {contract.size}; threshold {contract.threshold}; "
        f"{' and '.join(clean_up) or 'no clean-up'}."
    )


def describe_shape(model: Path) -> str:
    """The flags of training.train that make the network of a model file."""
    made = Segmenter(model).contract.provenance
    return f"--arch {made['arch']} --width {made['width']}"


def describe_recipe(checkpoint: Path) -> str:
    """The commands that trained a checkpoint, from its own record and those it started from.

    Raises:
        InputError: one that it started from is not where it was.
    """
    commands: list[str] = []
    following: str | None = str(checkpoint)
    while following and following != "imagenet":
        if not Path(following).is_file():
            raise InputError(
                f"{following}: is not there, and {checkpoint} began with it; run this in the folder that "
                "the training was started in"
            )
        record = checkpoints.load(Path(following))
        if "config" not in record:  # someone else's
            break
        commands.insert(0, to_command(record["config"]))
        following = record["config"].get("init")
    return "\n".join(commands)


def to_command(config: dict[str, Any]) -> str:
    """The command line of a configuration: what differs from its recipe."""
    shown = {name: value for name, value in config.items() if name not in WHEREABOUTS}
    first = {name: config[name] for name in ("data", "out", "init") if config.get(name)}
    if config["recipe"] != "default":
        first["recipe"] = config["recipe"]
    default = make_config(Path("data"), config["recipe"]).to_dict()
    return f"python -m training.train {to_flags(first, {})} {to_flags(shown, default)}"


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


def describe_scores(scores: dict[tuple[str, str, str], dict[str, Any]]) -> str:
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


def describe_groups(scores: dict[tuple[str, str, str], dict[str, Any]], file: str) -> str:
    rows = [
        [f"{name_source(source)}: {name}", group["images"], *(f"{group[key]:.4f}" for key in SHOWN)]
        for (split, source, of), found in scores.items()
        if split == "test" and of == file
        for name, group in found["groups"].items()
    ]
    return tabulate(["true lesion", "n", *(name.replace("_", " ") for name in SHOWN)], rows)


def describe_conditions(model: Path, pairs: Pairs, threads: int) -> str:
    """Scores on the same images, made worse."""
    segmenter = Segmenter(model, threads, "cpu")
    rows = []
    for name, worsen in track(CORRUPTIONS.items(), "conditions", len(CORRUPTIONS)):
        with tempfile.TemporaryDirectory() as folder:
            worse: Pairs = {}
            for image, (path, mask) in pairs.items():
                worse[image] = Path(folder, f"{len(worse)}.png"), mask
                write_image(worse[image][0], worsen(read_image(path)))
            found = score_model(segmenter, worse, threads)
        rows.append([name, *(f"{found[key]:.4f}" for key in SHOWN), f"{found['failure_rate']:.1%}"])
    return tabulate(
        [f"{len(pairs)} images", *(key.replace("_", " ") for key in SHOWN), "failures"], rows
    )


def describe_speed(files: list[Path], rounds: int, threads: int) -> str:
    """Rates, beside the reference network's (width 64) in torch, on this machine."""
    size = Segmenter(files[0]).contract.size
    subjects, failed = open_subjects(files, installed_providers(), (1,), threads)
    rows, peak = compare_subjects(
        [reference_subject(size, threads), *subjects], [], rounds, threads
    )
    for row in rows:
        row.difference = None  # from a network of other weights: it says nothing
    machine = f"{processor()}, {threads} threads, {peak:.0f} GFLOP/s in a product of matrices"
    return f"{to_markdown([*rows, *failed])}\n\n{machine}; medians of {rounds} interleaved runs."


if __name__ == "__main__":
    run(write_card)
