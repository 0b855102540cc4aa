import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inference.batch.options import SegmentOptions
from inference.errors import InputError
from inference.evaluate import evaluate
from inference.images.pixels import read_mask
from inference.images.write import write_image
from inference.masks.png import write_mask
from inference.models import SHIPPED, read_splits
from inference.runtime.segmenter import Segmenter
from inference.scoring.metrics import METRICS
from inference.scoring.risk import assess_doubt
from inference.segment import segment


@pytest.fixture
def folders(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path, Path]:
    """Folders of images, true masks and predicted masks; some empty, some full, some noisy."""
    images, truths, made = (tmp_path / name for name in ("images", "truths", "made"))
    for number, share in enumerate((0.0, 0.0, 0.2, 0.5, 0.8, 1.0, 1.0, 0.3)):
        name = f"ISIC_{number:07}"
        truth = rng.random((30, 40)) < share
        errors = rng.random((30, 40)) < (0.2 if number % 2 else 0)
        write_image(images / f"{name}.jpg", np.zeros((30, 40, 3), np.uint8))
        write_mask(truths / f"{name}_segmentation.png", truth)
        write_mask(made / f"{name}_segmentation.png", truth ^ errors)
    return images, truths, made


def score_folder(images: Path, truths: Path, made: Path, target: Path) -> dict[str, Any]:
    evaluate(images, truths, predictions=made, json_file=target)
    return dict(json.loads(target.read_text()))


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_official_scorer_gives_the_same(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    official = pytest.importorskip(
        "isic_challenge_scoring.segmentation", reason="isic-challenge-scoring is not installed"
    )
    images, truths, made = folders
    ours = score_folder(images, truths, made, tmp_path / "scores.json")
    theirs = official.SegmentationScore.from_dir(truths, made).macro_average
    assert set(theirs.index) == {
        "accuracy", "sensitivity", "specificity", "jaccard", "threshold_jaccard", "dice"
    }  # fmt: skip
    for name in theirs.index:
        key = name.replace("threshold_", "thresholded_")
        assert ours[key] == pytest.approx(theirs[name], abs=1e-12), name


def test_report(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    images, truths, made = folders
    scores = score_folder(images, truths, made, tmp_path / "scores.json")
    assert scores["images"] == 8
    assert set(METRICS) < set(scores)
    worst = [entry["jaccard"] for entry in scores["worst"]]
    assert worst == sorted(worst) and len(worst) == 8
    assert scores["worst"][0] == {"image": "ISIC_0000001", "jaccard": 0.0}
    jaccards = []
    for path in truths.iterdir():
        truth, mask = (cv2.imread(str(folder / path.name), 0) for folder in (truths, made))
        both, either = np.logical_and(truth, mask).sum(), np.logical_or(truth, mask).sum()
        jaccards.append(both / either if either else 1.0)
    assert worst == pytest.approx(sorted(jaccards))
    assert scores["failure_rate"] == np.mean(np.array(jaccards) < 0.65)
    for name in METRICS:
        low, high = scores["intervals"][name]
        assert low <= scores[name] <= high
    total = wrong = 0
    for path in truths.iterdir():
        truth, mask = (cv2.imread(str(folder / path.name), 0) for folder in (truths, made))
        assert truth is not None and mask is not None
        total, wrong = total + truth.size, wrong + np.count_nonzero(truth != mask)
    assert scores["pooled"]["accuracy"] == pytest.approx(1 - wrong / total)


def test_grey_levels_are_cut_above_128(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    images, truths, made = folders
    for path in made.iterdir():
        truth = cv2.imread(str(truths / path.name), 0)
        write_image(path, np.where(np.asarray(truth) > 0, 129, 128).astype(np.uint8))
    assert score_folder(images, truths, made, tmp_path / "scores.json")["jaccard"] == 1


def test_model_scores_as_its_masks_do(data: Path, model: Path, tmp_path: Path) -> None:
    images, truths = data / "test", data / "test_GT"
    segment([str(images)], SegmentOptions(model, tmp_path / "made", ("mask", "overlay")))
    evaluate(images, truths, model=model, json_file=tmp_path / "model.json")
    by_masks = score_folder(images, truths, tmp_path / "made", tmp_path / "masks.json")
    by_model = json.loads((tmp_path / "model.json").read_text())
    assert by_model == {"threshold": 0.5, **by_masks}
    assert 0 < by_masks["jaccard"] < 1


def test_another_threshold_is_scored_and_reported(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, truths, made = data / "test", data / "test_GT", tmp_path / "made"
    found = {}
    for threshold in (None, 0.8):
        target = tmp_path / "scores.json"
        evaluate(images, truths, model=model, threshold=threshold, json_file=target)
        found[threshold] = json.loads(target.read_text())
        assert f"6 images, threshold {threshold or 0.5}" in capsys.readouterr().out
    assert (found[None]["threshold"], found[0.8]["threshold"]) == (0.5, 0.8)
    segment([str(images)], SegmentOptions(model, made, threshold=0.8))
    evaluate(images, truths, predictions=made, json_file=target)
    assert json.loads(target.read_text())["dice"] == found[0.8]["dice"] != found[None]["dice"]
    with pytest.raises(InputError, match=r"--threshold 0\.8: does not apply to --predictions"):
        evaluate(images, truths, predictions=made, threshold=0.8)


def test_how_well_doubt_finds_failures(
    data: Path, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, truths = data / "test", data / "test_GT"
    evaluate(images, truths, model=fitted, json_file=tmp_path / "scores.json")
    doubt = json.loads((tmp_path / "scores.json").read_text())["doubt"]
    segmenter = Segmenter(fitted)
    expected, jaccard = [], []
    for path in sorted(images.iterdir()):
        lesion, truth = segmenter.segment(path), read_mask(truths / f"{path.stem}_segmentation.png")
        either = np.count_nonzero(lesion.mask | truth)
        expected.append(lesion.expected_jaccard)
        jaccard.append(np.count_nonzero(lesion.mask & truth) / either)
    suspected = doubt.pop("suspected")
    told = assess_doubt(np.array(expected), np.array(jaccard))
    assert doubt.pop("found") == pytest.approx(told.pop("found"))
    assert doubt == pytest.approx(told)
    assert 0 <= suspected <= 1
    shown = capsys.readouterr().out
    assert (
        "failures found" in shown and "calibration error" in shown and "showing no lesion" in shown
    )


def test_every_mistake_is_named(folders: tuple[Path, Path, Path], model: Path) -> None:
    images, truths, made = folders
    prediction = made / "ISIC_0000003_segmentation.png"
    whole = prediction.read_bytes()

    prediction.unlink()
    with pytest.raises(InputError, match=r"made: 1 of the names.* first is ISIC_0000003"):
        evaluate(images, truths, predictions=made)
    write_image(prediction, np.zeros((30, 41), np.uint8))
    with pytest.raises(InputError, match=r"is 41 x 30, its mask .* is 40 x 30"):
        evaluate(images, truths, predictions=made)
    colours = np.arange(3600, dtype=np.uint16).astype(np.uint8).reshape(30, 40, 3)
    write_image(prediction, colours * np.array((1, 2, 3), np.uint8))
    with pytest.raises(InputError, match="3 channels that differ"):
        evaluate(images, truths, predictions=made)
    prediction.write_bytes(whole)
    (truths / "ISIC_0000005_segmentation.png").unlink()
    with pytest.raises(InputError, match=r"truths: 1 of the names.* first is ISIC_0000005"):
        evaluate(images, truths, predictions=made)
    with pytest.raises(InputError, match="only one of them"):
        evaluate(images, truths, model=model, predictions=made)


def test_an_image_that_cannot_be_read_ends_it(
    folders: tuple[Path, Path, Path], model: Path
) -> None:
    images, truths, _ = folders
    (images / "ISIC_0000002.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"ISIC_0000002\.jpg: is empty"):
        evaluate(images, truths, model=model)


def test_a_mask_of_another_size_than_the_image_is_an_error(
    folders: tuple[Path, Path, Path], model: Path
) -> None:
    images, truths, _ = folders
    assert Segmenter(model).contract.size == 64
    write_mask(truths / "ISIC_0000002_segmentation.png", np.ones((64, 64), bool))
    with pytest.raises(InputError, match=r"is 40 x 30, its mask .* is 64 x 64"):
        evaluate(images, truths, model=model)


def test_training_images_of_the_shipped_model_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, truths = tmp_path / "images", tmp_path / "truths"
    splits = read_splits()
    train, valid, test = (
        min(name for name in splits if splits[name] == split)
        for split in ("train", "valid", "test")
    )
    names = [test, train.lower(), valid, "ISIC_9999999", "my photo"]
    for name in names:
        write_image(images / f"{name}.jpg", np.full((30, 40, 3), 200, np.uint8))
        write_mask(truths / f"{name}_segmentation.png", np.eye(30, 40, dtype=bool))
    evaluate(images, truths)
    warning = " ".join(capsys.readouterr().err.split())
    assert "trained on 1 of the 5 images and chosen on 1" in warning
    assert "1 are in its test split, 2 are not in attunet_lite0.splits.csv" in warning
    evaluate(images, truths, model=SHIPPED)  # named: it is the user's to know
    assert "warning" not in capsys.readouterr().err
    for name in (train.lower(), valid):
        (images / f"{name}.jpg").unlink()
        (truths / f"{name}_segmentation.png").unlink()
    evaluate(images, truths)  # held out, or not known to the model's data
    assert "warning" not in capsys.readouterr().err


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator) -> dict[str, Path]:
    """Folders of images, and of their true masks as 0 and 255, as 0 and 1, and all empty."""
    folders = {name: tmp_path / name for name in ("images", "255", "01", "empty")}
    for number in range(4):
        mask = np.zeros((30, 40), np.uint8)
        mask[5 : 12 + number, 6:30] = 1
        image = rng.integers(0, 255, (30, 40, 3), np.uint8)
        write_image(folders["images"] / f"{number}.jpg", image)
        write_image(folders["255"] / f"{number}.png", mask * 255)
        write_image(folders["01"] / f"{number}.png", mask)
        write_image(folders["empty"] / f"{number}.png", mask * 0)
    return folders


@pytest.mark.parametrize("truth", ["255", "01", "empty"])
@pytest.mark.parametrize("made", ["255", "01", "empty"])
def test_masks_that_cannot_be_meant_so_are_refused(
    labels: dict[str, Path], tmp_path: Path, truth: str, made: str
) -> None:
    images, target = labels["images"], tmp_path / "scores.json"
    predictions = Path(shutil.copytree(labels[made], tmp_path / "made"))
    if (truth, made) != ("255", "255"):
        with pytest.raises(InputError, match="--mask-levels 01"):
            evaluate(images, labels[truth], predictions=predictions)
    if truth == "empty":
        with pytest.raises(InputError, match="all 4 masks are empty"):
            evaluate(images, labels[truth], predictions=predictions, mask_levels="01")
        return
    evaluate(images, labels[truth], predictions=predictions, mask_levels="01", json_file=target)
    assert json.loads(target.read_text())["dice"] == (0 if made == "empty" else 1)


def test_a_model_is_not_scored_on_masks_of_0_and_1(
    labels: dict[str, Path], model: Path, tmp_path: Path
) -> None:
    images = labels["images"]
    with pytest.raises(InputError, match=r"largest value is 1.*--mask-levels 01"):
        evaluate(images, labels["01"], model)
    with pytest.raises(InputError, match="all 4 masks are empty"):
        evaluate(images, labels["empty"], model, mask_levels="255")
    scores = []
    for truth in ("255", "01"):
        target = tmp_path / f"{truth}.json"
        evaluate(images, labels[truth], model, mask_levels="01", json_file=target)
        scores.append(json.loads(target.read_text()))
    assert scores[0] == scores[1]


def test_whoever_says_255_gets_the_official_score(labels: dict[str, Path], tmp_path: Path) -> None:
    target, made = tmp_path / "scores.json", labels["01"]
    evaluate(labels["images"], labels["255"], predictions=made, mask_levels="255", json_file=target)
    assert json.loads(target.read_text())["dice"] == 0


@pytest.mark.parametrize("levels", [(0, 2), (0, 100), (0, 1, 2), (0, 128)])
def test_masks_of_dark_labels_are_refused(
    labels: dict[str, Path], tmp_path: Path, levels: tuple[int, ...]
) -> None:
    mask = np.resize(np.array(levels, np.uint8), (30, 40))
    write_image(labels["255"] / "2.png", mask)
    made = Path(shutil.copytree(labels["255"], tmp_path / "made"))
    with pytest.raises(
        InputError, match=rf"2\.png: its largest value is {max(levels)}, .*save it as 0 and 255, or"
    ):
        evaluate(labels["images"], labels["255"], predictions=made)
    evaluate(labels["images"], labels["255"], predictions=made, mask_levels="255")


def test_a_faint_prediction_is_empty(labels: dict[str, Path], tmp_path: Path) -> None:
    made = Path(shutil.copytree(labels["255"], tmp_path / "made"))
    write_image(made / "2.png", np.resize(np.arange(120, dtype=np.uint8), (30, 40)))
    evaluate(labels["images"], labels["255"], predictions=made, json_file=tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["dice"] == 0.75


def test_true_masks_are_no_predictions(labels: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"--predictions .*255: is the folder of the true masks; "):
        evaluate(labels["images"], labels["255"], predictions=labels["255"] / ".." / "255")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x_segmentation.png"])
def test_masks_given_as_images_are_refused(tmp_path: Path, model: Path, name: str) -> None:
    """A model that is run on them would score next to nothing, for no reason that one could see."""
    truth = np.zeros((48, 64), bool)
    truth[10:30, 10:40] = True
    grey = np.where(truth, 230, 40) if "_" in name else truth * 255
    write_image(tmp_path / "made" / name, np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2))
    write_mask(tmp_path / "truths" / "x_segmentation.png", truth)
    with pytest.raises(
        InputError, match=r"x.*looks like a mask, not a photo; .*--predictions MASKS"
    ):
        evaluate(tmp_path / "made", tmp_path / "truths", model)


def test_grey_and_black_photos_are_photos(tmp_path: Path, model: Path) -> None:
    write_mask(tmp_path / "truths" / "x.png", np.eye(9, dtype=bool))
    for level in (0, 100, 255):
        write_image(tmp_path / "photos" / "x.png", np.full((9, 9, 3), level, np.uint8))
        evaluate(tmp_path / "photos", tmp_path / "truths", model)


def test_inverted_masks_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = np.zeros((40, 60), bool)
    truth[10:30, 20:40] = True
    for number in range(3):
        write_image(tmp_path / "photos" / f"{number}.png", np.full((40, 60, 3), 99, np.uint8))
        write_mask(tmp_path / "truths" / f"{number}.png", truth)
        write_mask(tmp_path / "good" / f"{number}.png", np.roll(truth, 2))
        write_mask(tmp_path / "inverted" / f"{number}.png", ~truth)
        write_mask(tmp_path / "all" / f"{number}.png", truth | True)
    cases = (("good", "truths"), ("all", "truths"), ("truths", "inverted"), ("inverted", "truths"))
    for made, truths in cases:
        evaluate(tmp_path / "photos", tmp_path / truths, predictions=tmp_path / made)
        error = capsys.readouterr().err
        assert ("looks inverted; lesion must be white" in error) == ("inverted" in (made, truths))
