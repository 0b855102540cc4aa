import json
from pathlib import Path

import pytest
import torch

from export.deployments import DEPLOYMENTS
from export.source import ContractChanges, open_source
from export.sweep import sweep
from inference.contract import Contract
from inference.errors import InputError
from inference.evaluate import evaluate
from training.networks.unet import UNet


@pytest.fixture
def checkpoint(network: UNet, tmp_path: Path) -> Path:
    """A checkpoint as training.train writes it, as far as export reads it."""
    path = tmp_path / "best.pt"
    entries = {"config": {"arch": "attunet", "width": 4}, "contract": Contract(size=64).to_json()}
    torch.save({**entries, "weights": network.state_dict()}, path)
    return path


def test_every_deployment_is_scored_as_evaluate_does(
    checkpoint: Path, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(checkpoint, [data / "test", data / "test_GT", data / "valid", data / "valid_GT"])
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split()[1:6] == ["9", "images", "|", "accuracy", "|"]
    assert [row.split("|")[1].strip() for row in rows[2:]] == list(DEPLOYMENTS)

    sweep(checkpoint, [data / "test", data / "test_GT"])
    plain = capsys.readouterr().out.splitlines()[2]
    evaluate(data / "test", data / "test_GT", model=model, json_file=tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert plain.split("|")[3].strip() == f"{scores['dice']:.4f}"


@pytest.mark.parametrize("changes", [{"size": 100}, {"size": 0}, {"threshold": 1.5}])
def test_what_a_contract_cannot_be_is_refused(checkpoint: Path, changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be"):
        open_source(checkpoint, changes=ContractChanges(**changes))  # type: ignore[arg-type]


def test_changes_leave_the_rest_of_the_contract() -> None:
    before = Contract(size=64, threshold=0.4, provenance={"arch": "attunet"})
    after = ContractChanges(largest_region=True).apply(before)
    assert after.largest_region and (after.size, after.threshold) == (64, 0.4)
    assert after.provenance == before.provenance
