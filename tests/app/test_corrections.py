"""From a corrected mask to weights that have learned from it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from app.correction import read_strokes
from app.corrections import save_pair
from app.i18n import ENGLISH
from app.prediction import Prediction, predict
from app.service import Service
from app.tabs.batch import list_results
from inference.errors import InputError
from inference.images.pixels import read_image, read_mask
from inference.images.write import write_image
from inference.models import SHIPPED
from inference.runtime.segmenter import Segmenter
from tests.inference.dicom.dicom_files import SECRETS, encode_jpeg, write_jpeg, write_native
from training.config import make_config
from training.prepare import prepare
from training.synthetic.lesion import make_lesion
from training.train import train
from training.weights import open_network

DOT = {"strokes": [{"adds": True, "radius": 12, "points": [[20, 20]]}]}


@pytest.fixture
def predictions(segmenter: Segmenter, tmp_path: Path) -> list[Prediction]:
    """Ten corrected photographs; two of one name."""
    found = []
    for number in range(10):
        image, _ = make_lesion(np.random.default_rng(50 + number), 96, 128)
        path = tmp_path / "uploads" / str(number) / f"my photo {max(number, 1)}.png"
        write_image(path, image)
        found.append(predict(segmenter, path).correct(read_strokes(DOT)))
    return found


@pytest.fixture
def keeping(segmenter: Segmenter, tmp_path: Path) -> Iterator[Service]:
    service = Service({"one": segmenter}, tmp_path / "corrections")
    yield service
    service.close()


def test_correct_prepare_train(
    keeping: Service, predictions: list[Prediction], tmp_path: Path
) -> None:
    names = {keeping.keep_pair(prediction)[0] for prediction in predictions}
    assert len(names) == 10
    folder = tmp_path / "corrections"
    for prediction in predictions:
        (image,) = (
            path
            for path in (folder / "images").iterdir()
            if path.read_bytes() == prediction.path.read_bytes()
        )
        mask = read_mask(folder / "masks" / f"{image.stem}_segmentation.png")
        assert np.array_equal(mask > 0, prediction.lesion.mask) and mask[20, 20]
    assert prepare(folder, tmp_path / "data", size=32) == 0
    weights = SHIPPED.with_suffix(".pt")
    config = make_config(
        tmp_path / "data",
        arch="attunet_lite0",
        width=12,
        size=32,
        epochs=1,
        batch_size=4,
        device="cpu",
        init=weights,
        out=tmp_path / "run",
    )
    assert train(config) == 0
    before, _ = open_network(weights)
    after, _ = open_network(tmp_path / "run" / "best.pt")
    pairs = zip(before.state_dict().values(), after.state_dict().values())
    assert any(not torch.equal(old, new) for old, new in pairs)


def test_a_photo_corrected_again_has_its_last_mask(
    keeping: Service, predictions: list[Prediction], tmp_path: Path
) -> None:
    name, _ = keeping.keep_pair(predictions[0])
    assert keeping.keep_pair(predictions[0].correct(()))[0] == name
    (mask,) = (tmp_path / "corrections" / "masks").iterdir()
    assert np.array_equal(read_mask(mask) > 0, predictions[0].correct(()).lesion.mask)


def test_without_a_folder_the_pair_is_a_zip(
    segmenter: Segmenter, predictions: list[Prediction]
) -> None:
    service = Service({"one": segmenter})
    name, archive = service.keep_pair(predictions[2])
    assert archive is not None
    with zipfile.ZipFile(archive) as packed:
        assert set(packed.namelist()) == {
            f"corrections/images/{name}.png",
            f"corrections/masks/{name}_segmentation.png",
        }
        image = packed.read(f"corrections/images/{name}.png")
    assert image == predictions[2].path.read_bytes()
    service.close()


def test_names_never_leave_the_folder(predictions: list[Prediction], tmp_path: Path) -> None:
    data = predictions[0].path.read_bytes()
    for number, name in enumerate(
        ("..", "-- .png", "病灶" * 40 + ".png", "a;rm -rf.PNG", ".x.png")
    ):
        path = tmp_path / "odd" / str(number) / name
        if name == "..":
            continue
        path.parent.mkdir(parents=True)
        path.write_bytes(data + bytes([number]))
        saved = save_pair(
            tmp_path / "kept", Prediction(path, predictions[0].lesion, predictions[0].preview)
        )
        assert "/" not in saved and not saved.startswith((".", "-"))
    kept = sorted(path.parent.name for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert kept == ["images"] * 4 + ["masks"] * 4


def test_a_full_or_closed_folder_is_a_line_and_leaves_nothing(
    predictions: list[Prediction], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "images").mkdir(parents=True)
    (blocked / "masks").write_text("a file")
    with pytest.raises(InputError, match="cannot be saved"):
        save_pair(blocked, predictions[0])
    assert not list((blocked / "images").iterdir())
    monkeypatch.setattr("app.corrections.MAX_PAIRS", 1)
    save_pair(tmp_path / "full", predictions[0])
    with pytest.raises(InputError, match="is full"):
        save_pair(tmp_path / "full", predictions[3])
    save_pair(tmp_path / "full", predictions[0])  # its own again


def test_a_dicom_file_is_kept_without_its_patient(
    segmenter: Segmenter, keeping: Service, tmp_path: Path
) -> None:
    image, _ = make_lesion(np.random.default_rng(1), 96, 128)
    native = write_native(tmp_path / "a.dcm", image)
    jpeg = write_jpeg(tmp_path / "b.dcm", encode_jpeg(image), 96, 128)
    for path, suffix in ((native, ".png"), (jpeg, ".jpg")):
        name, _ = keeping.keep_pair(predict(segmenter, path))
        kept = tmp_path / "corrections" / "images" / f"{name}{suffix}"
        assert np.array_equal(read_image(kept), read_image(path))
        assert not [secret for secret in SECRETS if secret.encode() in kept.read_bytes()]


def test_a_name_of_numbers_is_kept_whole(
    segmenter: Segmenter, keeping: Service, tmp_path: Path
) -> None:
    image, _ = make_lesion(np.random.default_rng(1), 96, 128)
    prediction = predict(segmenter, write_native(tmp_path / "1.2.840.7", image))
    name, _ = keeping.keep_pair(prediction)
    assert name.startswith("1-2-840-7-")
    files = keeping.save_measured(prediction.lesion, prediction.path, None)
    assert all(path.name.startswith("1.2.840.7") for path in files)


def test_the_table_of_many_has_the_sizes_that_dicom_files_know(
    segmenter: Segmenter, keeping: Service, tmp_path: Path
) -> None:
    image, _ = make_lesion(np.random.default_rng(1), 96, 128)
    paths = [
        write_native(tmp_path / "known", image, PixelSpacing=[0.02, 0.02]),
        write_native(tmp_path / "unknown.dcm", image),
    ]
    batch = keeping.segment_all(paths, lambda results, total: results)
    assert not batch.failures
    table = list_results(batch, ENGLISH, None)
    for line in table.splitlines()[2:]:
        assert (" mm\u00b2" in line) == ("`known`" in line), line
    with zipfile.ZipFile(batch.archive) as archive:
        names = [name for name in archive.namelist() if name.endswith("measures.csv")]
        rows = archive.read(names[0]).decode().splitlines()
    assert "area_mm2" in rows[0]
