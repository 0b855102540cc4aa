from __future__ import annotations

import errno
import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from inference.errors import InputError
from training.config import make_config
from training.records.run_folder import open_run


def test_an_earlier_run_is_moved_aside_and_another_folder_is_left_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for seed in range(3):
        open_run(make_config(Path("d"), out=run, seed=seed), False, {"ranks": 1})
        (run / "last.pt").write_text(str(seed))
    kept = {(path / "last.pt").read_text() for path in tmp_path.iterdir()}
    assert kept == {"0", "1", "2"} and (run / "last.pt").read_text() == "2"
    frozen = json.loads((run / "config.json").read_text())
    assert frozen["seed"] == 2 and frozen["batch_size"] == 16
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"] == version("torch") and environment["ranks"] == 1

    (run / ".left.pt").write_text("half")
    open_run(make_config(Path("d"), out=run, seed=2), True, {})
    assert (run / "last.pt").read_text() == "2" and not (run / ".left.pt").exists()

    other = tmp_path / "photos"
    other.mkdir()
    (other / "a.jpg").write_text("mine")
    with pytest.raises(InputError, match="not a run"):
        open_run(make_config(Path("d"), out=other), False, {})
    assert [path.name for path in other.iterdir()] == ["a.jpg"]


def test_a_run_that_cannot_be_renamed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".", "run/.."):
        for path in tmp_path.iterdir():
            path.unlink() if path.is_file() else path.rmdir()
        (tmp_path / "run").mkdir()
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(
            InputError, match=r"holds an earlier run .*the current folder.*--resume"
        ):
            open_run(make_config(tmp_path, out=Path(name)), False, {})

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr(os, "rename", refuse)  # as where a disk is mounted
    with pytest.raises(InputError, match=r"cannot be renamed \(Device or resource busy\); give"):
        open_run(make_config(tmp_path, out=tmp_path), False, {})
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_name_that_is_no_text_is_refused_before_the_training(tmp_path: Path) -> None:
    run = Path(os.fsdecode(bytes(tmp_path) + b"/k\xe4"))
    with pytest.raises(InputError, match=r"--out .* has a name that is not UTF-8; give another"):
        open_run(make_config(tmp_path, out=run), False, {})
    assert not run.exists()


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_folder_that_cannot_be_made_is_named(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    config = make_config(tmp_path, out=tmp_path / out)
    with pytest.raises(InputError, match=f"--out .*{out}: cannot be written to .*another folder"):
        open_run(config, False, {})
