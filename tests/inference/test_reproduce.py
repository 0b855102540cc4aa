import json
from collections import Counter
from pathlib import Path

import pytest

from inference import models
from inference import reproduce as module
from inference.errors import InputError
from inference.models import SHIPPED, SHIPPED_INT8, read_splits
from inference.reproduce import reproduce
from inference.scoring.metrics import METRICS
from inference.scoring.pairs import index_images
from inference.scoring.published import PUBLISHED


@pytest.fixture
def held_out(data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two of the test images are held out from a small model that takes the shipped one's place."""
    names = sorted(index_images(data / "test"))[:2]
    file = tmp_path / "splits.csv"
    file.write_text(
        "name,split\nother,valid\nthis,train\n" + "".join(f"{name},test\n" for name in names)
    )
    monkeypatch.setattr(models, "SPLITS", file)
    monkeypatch.setattr(module, "SHIPPED", model)
    monkeypatch.setattr(module, "SHIPPED_INT8", model)
    return names


def test_only_held_out_images_are_scored(
    data: Path, model: Path, held_out: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "scores.json"
    reproduce([data / "test", data / "test_GT"], json_file=target)
    (files,) = json.loads(target.read_text()).values()
    assert files[model.name]["images"] == len(held_out)
    table = "".join(capsys.readouterr().out.split())
    for row in PUBLISHED:
        assert all("".join(entry.split()) in table for entry in row[1:-1]), row.model
    assert f"{files[model.name]['dice']:.4f}" in table


def test_folders_are_pairs_and_hold_test_images(data: Path, held_out: list[str]) -> None:
    with pytest.raises(InputError, match="no folders given"):
        reproduce([])
    with pytest.raises(InputError, match="3 folders: images and masks come in pairs"):
        reproduce([data / "test", data / "test_GT", data / "valid"])
    with pytest.raises(InputError, match=r"valid: has none of the 2 test images"):
        reproduce([data / "valid", data / "valid_GT"])


def test_the_shipped_list_holds_the_tests_of_the_task() -> None:
    splits = read_splits()
    assert Counter(splits.values()) == {"train": 1815, "valid": 259, "test": 520}
    assert all(name.startswith("ISIC_") for name in splits)


def test_the_card_tells_the_truth(isic: Path, tmp_path: Path) -> None:
    folders = ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth")
    reproduce([isic / folder for folder in folders], json_file=tmp_path / "scores.json")
    (files,) = json.loads((tmp_path / "scores.json").read_text()).values()
    told = json.loads(SHIPPED.with_suffix(".scores.json").read_text())
    for name in METRICS:  # processors round float32 otherwise, by a pixel here and there
        assert files[SHIPPED.name][name] == pytest.approx(told[name], abs=2e-3), name
    # Without VNNI, processors add pairs of 8-bit products in 16 bits, which saturate: 0.8990 on AVX2.
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    tolerance = 0.005 if "vnni" in flags else 0.01
    assert files[SHIPPED_INT8.name]["dice"] > told["dice"] - tolerance
