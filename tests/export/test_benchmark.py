from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.benchmark import benchmark
from inference.contract import Contract
from inference.errors import InputError
from training import checkpoint
from training.networks.unet import UNet


def test_torch_stands_in_the_first_rows(network: UNet, model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "best.pt", tmp_path / "b.json"
    entries = {"config": {"arch": "attunet", "width": 4}, "contract": Contract(size=64).to_json()}
    checkpoint.save(source, {**entries, "weights": network.state_dict()})
    assert benchmark(source, (model,), ("cpu",), rounds=1, json_file=target) == 0
    rows = json.loads(target.read_text())["rows"]
    providers = [row["provider"] for row in rows]
    assert providers == ["torch eager", "torch channels_last", "cpu"]
    assert all(row["difference"] < 1e-5 for row in rows)
    assert rows[0]["peak"] > 0


@pytest.mark.parametrize(("counts", "said"), [((0, 1), "--rounds 0"), ((1, -1), "--threads -1")])
def test_counts_are_checked_before_anything_is_opened(
    tmp_path: Path, counts: tuple[int, int], said: str
) -> None:
    rounds, threads = counts
    with pytest.raises(InputError, match=f"{said}: "):
        benchmark(tmp_path / "none.pt", rounds=rounds, threads=threads)
