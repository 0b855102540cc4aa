"""Writes the card of the model that ships: what it was made from, what it scores, how fast it is.

python -m export.card model.onnx runs/second/best.pt data --int8 model-int8.onnx --runs runs/a runs/b

The prose is export/card.md's; scores and speeds are measured as it is written. Run it in the folder where
the training was started.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Annotated

from tyro.conf import Positional, arg

from export import card_sections as sections
from export.data_set import find_split, pool_split, read_manifest, write_splits
from export.deployments import tabulate_deployments
from export.recipe import describe_recipe
from inference.benchmark.comparison import require_counts
from inference.cli import Threads, run
from inference.files import replacing, write_bytes, write_json
from inference.machine import has_vnni, usable_cores
from inference.runtime.segmenter import Segmenter
from inference.scoring.evaluation import score_model
from training.records.run_table import tabulate_runs

PROSE = Path(__file__).with_name("card.md")


def write_card(
    model: Annotated[Path, Positional, arg(metavar="MODEL")],
    checkpoint: Annotated[Path, Positional, arg(metavar="CHECKPOINT")],
    data: Annotated[Path, Positional, arg(metavar="DATA")],
    int8: Annotated[Path | None, arg(metavar="MODEL", help_behavior_hint="(optional)")] = None,
    runs: Annotated[tuple[Path, ...], arg(metavar="RUN [RUN ...]")] = (),
    rounds: Annotated[int, arg(metavar="N")] = 20,
    threads: Threads = 0,
) -> None:
    """Write a model card: MODEL.md, MODEL.scores.json and MODEL.splits.csv, next to the model file.

    The text in card.md is about ISIC's crops and frames: edit it for a model trained on other data.

    Args:
        model: Model file that export.to_onnx wrote.
        checkpoint: Checkpoint that it was exported from.
        data: Data set it was trained on, as training.prepare wrote it.
        int8: The same model in INT8.
        runs: Folders of the short runs used to choose the recipe; the first is the baseline.
        rounds: Timed runs of each row of the speed table.
    """
    require_counts(rounds, threads)
    threads = threads or usable_cores()
    # What can be wrong comes first: scoring takes minutes.
    recipe, compared = describe_recipe(checkpoint), tabulate_runs(list(runs)) if runs else "(none)"
    manifest = read_manifest(data)
    files = [model, *([int8] if int8 else [])]
    sources = sorted({row["source"] for row in manifest})
    scores: sections.Scores = {
        (split, source, path.name): score_model(
            Segmenter(path, threads, "cpu"), find_split(data, source, split), threads
        )
        for split in ("valid", "test")
        for source in sources
        for path in files
    }
    validation = pool_split(data, manifest, "valid")
    values = {
        "name": model.stem,
        "files": sections.describe_files(files),
        "network": sections.describe_network(model, checkpoint),
        "shape": sections.describe_shape(model),
        "vnni": "with" if has_vnni() else "without",
        "recipe": recipe,
        "runs": compared,
        "sweep": tabulate_deployments(checkpoint, validation, threads),
        "data": sections.describe_data(manifest),
        "scores": sections.describe_scores(scores),
        "doubt": sections.describe_doubt(scores),
        "groups": sections.describe_groups(scores, model.name),
        "corruptions": sections.describe_corruptions(model, validation, threads),
        "speed": sections.describe_speed(files, rounds, threads),
    }
    card = Template(PROSE.read_text(encoding="utf-8")).substitute(values)
    write_bytes(model.with_suffix(".md"), card.encode())
    write_json(model.with_suffix(".scores.json"), scores["test", "", model.name], indent=2)
    with replacing(model.with_suffix(".splits.csv")) as temporary:
        write_splits(temporary, manifest)


if __name__ == "__main__":
    run(write_card)
