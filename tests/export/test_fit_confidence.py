"""Coefficients are found again, and written without a change to what the file computes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from export import confidence_samples
from export.confidence_fit import fit_logistic, squash
from export.fit_confidence import fit_confidence
from inference.contract import Contract
from inference.errors import InputError
from inference.runtime.integrity import verify_digest
from inference.runtime.segmenter import Segmenter


def test_a_regression_finds_what_made_the_data() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal((1, -3), (0.5, 2), (20_000, 2))
    target = squash(0.7 + features @ (-1.5, 0.25))
    exact = fit_logistic(features, target, np.ones(len(target)))
    assert exact == pytest.approx((0.7, -1.5, 0.25), abs=0.011)
    drawn = (rng.random(len(target)) < target).astype(float)
    assert fit_logistic(features, drawn, np.ones(len(target))) == pytest.approx(exact, abs=0.1)


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(1)
    features, target = rng.normal(size=(300, 1)), rng.random(300)
    features[0] = features[-1] = 0  # keeps the scale alike
    weight = rng.integers(1, 4, 300).astype(float)
    repeated = fit_logistic(
        np.repeat(features, weight.astype(int), 0),
        np.repeat(target, weight.astype(int)),
        np.ones(int(weight.sum())),
    )
    assert fit_logistic(features, target, weight) == pytest.approx(repeated, abs=0.011)


def test_a_regression_of_a_single_answer_stays_finite() -> None:
    features = np.zeros((3, 2))
    for answer in (0.0, 1.0):
        assert np.isfinite(fit_logistic(features, np.full(3, answer), np.ones(3))).all()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few corruptions and pictures: what is tested is not how well it fits."""
    few = dict(list(confidence_samples.CORRUPTIONS.items())[:3])
    for module in ("export.confidence_samples", "export.confidence_fit"):
        monkeypatch.setattr(f"{module}.CORRUPTIONS", few)
        monkeypatch.setattr(f"{module}.SCENES", 18)


def test_files_are_stamped_and_compute_the_same(
    data: Path, model: Path, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = tmp_path / "a.onnx", tmp_path / "b.onnx"
    for path in paths:
        shutil.copy(model, path)
    before = Segmenter(model)
    fit_confidence(paths[0], data, also=paths[1:], threads=1)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    verify_digest(paths[0])
    after = Segmenter(paths[0])
    fitted = after.contract
    assert fitted.confidence and fitted.strangeness and 0 < (fitted.check_below or 0) < 1
    assert Contract(size=before.contract.size) == before.contract
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    assert np.array_equal(before(images), after(images))
    graphs = [onnx.load(path).graph.SerializeToString() for path in (model, paths[0])]
    assert graphs[0] == graphs[1]
    shown = capsys.readouterr().out
    assert f"confidence: {fitted.confidence}" in shown and "on the 3 validation images" in shown
    # Again, from the files that were fitted: the same.
    once = paths[0].read_bytes()
    fit_confidence(paths[0], data, threads=2)
    assert paths[0].read_bytes() == once


def test_nothing_is_written_when_one_file_cannot_be(
    data: Path, model: Path, tmp_path: Path, quick: None
) -> None:
    shutil.copy(model, tmp_path / "a.onnx")
    before = (tmp_path / "a.onnx").read_bytes()
    for also, message in (("gone.onnx", "no such model file"), ("b.om", "must end in .onnx")):
        with pytest.raises(InputError, match=message):
            fit_confidence(tmp_path / "a.onnx", data, also=(tmp_path / also,), threads=1)
    for wrong in (tmp_path, tmp_path / "a.onnx", tmp_path / "gone"):
        with pytest.raises(InputError, match=f"{wrong}: holds no manifest.csv; give a data set"):
            fit_confidence(tmp_path / "a.onnx", wrong, threads=1)
    assert (tmp_path / "a.onnx").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
