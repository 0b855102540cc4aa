import json
from pathlib import Path

import pytest

from inference.errors import InputError
from training.config import make_config
from training.records.run_table import tabulate_runs


def make_run(folder: Path, jaccards: list[float], **changes: object) -> Path:
    folder.mkdir()
    config = make_config(Path("data"), out=folder, width=4, **changes).to_dict()
    (folder / "config.json").write_text(json.dumps(config))
    names = "epoch,dice,jaccard,thresholded_jaccard,accuracy"
    rows = [f"{epoch},0.9,{jaccard},0.5,0.95" for epoch, jaccard in enumerate(jaccards)]
    (folder / "metrics.csv").write_text("\n".join([names, *rows]) + "\n")
    return folder


def test_a_row_tells_what_differs_and_the_best_epoch(tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", [0.6, 0.7])
    second = make_run(tmp_path / "second", [0.6, 0.8, 0.75], lr=0.004, weight_decay=0.1, workers=1)
    _, _, *rows = (row.split() for row in tabulate_runs([first, second]).splitlines())
    assert rows[0] == "| first | | 2 | 0.9500 | 0.9000 | 0.7000 | 0.5000 |".split()
    changed = "--lr 0.004 --weight-decay 0.1"
    assert rows[1] == f"| second | {changed} | 3 | 0.9500 | 0.9000 | 0.8000 | 0.5000 |".split()


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing: not a run that can be read"):
        tabulate_runs([tmp_path / "missing"])
    with pytest.raises(InputError, match=r"begun: has no finished epoch"):
        tabulate_runs([make_run(tmp_path / "begun", [])])
    with pytest.raises(InputError, match="no runs given"):
        tabulate_runs([])
    other = make_run(tmp_path / "other", [0.5])
    (other / "metrics.csv").write_text("epoch,dice\n0,0.9\n")
    with pytest.raises(InputError, match="lacks accuracy, jaccard, thresholded_jaccard"):
        tabulate_runs([other])


def test_repetitions_are_summed_up(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / str(fold), [0.1, value], fold=fold)
        for fold, value in enumerate([0.6, 0.7, 0.8])
    ]
    *_, mean, spread = (row.split() for row in tabulate_runs(runs).splitlines())
    assert mean == "| **mean** | | | 0.9500 | 0.9000 | 0.7000 | 0.5000 |".split()
    assert spread == "| **standard deviation** | | | 0.0000 | 0.0000 | 0.1000 | 0.0000 |".split()
    other = make_run(tmp_path / "other", [0.5], seed=3, lr=0.1)
    assert "mean" not in tabulate_runs([*runs, other])
    assert "mean" not in tabulate_runs(runs[:1])
