from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from inference.errors import InputError
from inference.scoring.metrics import METRICS
from training import checkpoint
from training import train as story
from training.config import make_config
from training.device import Runtime
from training.journal import read_metrics
from training.memory import explain_memory
from training.train import train
from training.validate import MIRRORINGS, predict
from training.weights import open_network

TINY = {"device": "cpu", "width": 2, "size": 16, "batch_size": 4, "epochs": 1}
FILES = "last.pt best.pt metrics.csv config.json environment.json log.txt curves.png overlays.jpg"


def configure(dataset: Path, out: Path, **changes: Any) -> Any:
    return make_config(dataset, **{**TINY, "out": out, **changes})


def test_a_run_leaves_what_it_promises(dataset: Path, tmp_path: Path) -> None:
    assert train(configure(dataset, tmp_path / "run", epochs=2)) == 0
    assert set(FILES.split()) <= {path.name for path in (tmp_path / "run").iterdir()}
    network, contract = open_network(tmp_path / "run" / "best.pt")
    assert contract.size == 16 and not network.training


def test_a_process_that_torchrun_starts_anew_goes_on(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(dataset, tmp_path / "run", epochs=2)
    train(config)
    (tmp_path / "run" / "previous.pt").replace(tmp_path / "run" / "last.pt")  # after one epoch
    whole = checkpoint.load(tmp_path / "run" / "best.pt")["weights"]
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    train(config)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # nothing was moved aside
    assert [row["epoch"] for row in read_metrics(tmp_path / "run" / "metrics.csv")] == [0, 1]
    again = checkpoint.load(tmp_path / "run" / "best.pt")["weights"]
    assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_patience_ends_a_run_that_gets_no_better(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter((0.5, 0.6, 0.6, 0.55, 0.7))
    monkeypatch.setattr(story, "average", lambda counts: dict.fromkeys(METRICS, next(values)))
    run = tmp_path / "run"
    train(configure(dataset, run, epochs=5, patience=2))
    assert [row["jaccard"] for row in read_metrics(run / "metrics.csv")] == [0.5, 0.6, 0.6, 0.55]
    assert "no better jaccard for 2 epochs" in (run / "log.txt").read_text()
    assert checkpoint.load(run / "best.pt")["epoch"] == 2  # of equals, the later


def test_mirrored_predictions_are_the_mean_of_four() -> None:
    runtime = Runtime(make_config(Path("d"), device="cpu"))

    class Corner(torch.nn.Module):
        """Sees the upper left pixel alone."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.full(images.shape[:3], -50.0)
            logits[:, 0, 0] = 50
            return logits

    images = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    plain, mirrored = (predict(Corner(), images, runtime, tta) for tta in (False, True))
    assert plain[0].sum().item() == pytest.approx(1) and plain[0, 0, 0] == 1
    corners = mirrored[:, ::3, ::3]
    assert torch.allclose(corners, torch.full_like(corners, 1 / len(MIRRORINGS)))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_out_of_memory_is_a_line_with_a_cure(error: Exception) -> None:
    config = make_config(Path("d"))
    with pytest.raises(InputError, match="--accumulate 2"), explain_memory(config):
        raise error
    with pytest.raises(RuntimeError, match="illegal memory"), explain_memory(config):
        raise RuntimeError("illegal memory access")


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InputError, match="nvidia-smi"):
        Runtime(make_config(Path("d"), device="cuda"))
