"""The named endpoints, as programs call them."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from inference.batch.options import SegmentOptions
from inference.segment import segment

pytestmark = pytest.mark.filterwarnings("ignore")  # gradio's own


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)


def test_segment(client: Client, photographs: list[Path], model: Path, tmp_path: Path) -> None:
    mask, overlay, geojson, measures = client.predict(
        handle_file(photographs[1]), 0.5, False, False, api_name="/segment"
    )
    segment([str(photographs[1])], SegmentOptions(model, tmp_path))
    assert Path(mask).read_bytes() == (tmp_path / "lesion-1_segmentation.png").read_bytes()
    assert Path(overlay).suffix == ".jpg" and Path(geojson).suffix == ".geojson"
    assert measures["area_px"] > 0 and measures["check"] is None and "warning" in measures


def test_segment_all(client: Client, photographs: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    given = [handle_file(path) for path in (*photographs, text)]
    archive, failures = client.predict(given, api_name="/segment_all")
    assert [failure["image"] for failure in failures] == ["text.jpg"]
    with zipfile.ZipFile(archive) as packed:
        assert sum(name.endswith("_segmentation.png") for name in packed.namelist()) == 3


def test_describe(client: Client) -> None:
    assert client.predict(api_name="/describe")["size"] == 64


def test_only_these_are_named(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/segment", "/segment_all", "/describe"}


def test_errors_are_readable_and_the_server_stays_up(
    client: Client, photographs: list[Path], tmp_path: Path
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    with pytest.raises(AppError, match="is not an image"):
        client.predict(handle_file(text), 0.5, False, False, api_name="/segment")
    with pytest.raises(AppError, match="threshold 7"):
        client.predict(handle_file(photographs[0]), 7, False, False, api_name="/segment")
    assert client.predict(api_name="/describe")["size"] == 64


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "pyproject.toml", "../pyproject.toml", "%2e%2e/%2e%2e/etc/passwd"]
)
def test_nothing_else_is_served(address: str, path: str) -> None:
    with pytest.raises(HTTPError) as error:
        urlopen(f"{address}/gradio_api/file={path}")
    assert error.value.code in (403, 404)


def test_many_at_once(address: str, photographs: list[Path]) -> None:
    def visit(number: int) -> int:
        own = Client(address, verbose=False)
        photograph = handle_file(photographs[number % 2])
        areas = {
            own.predict(photograph, 0.5, False, False, api_name="/segment")[3]["area_px"]
            for _ in range(3)
        }
        assert len(areas) == 1
        return areas.pop()

    with ThreadPoolExecutor(8) as pool:
        areas = list(pool.map(visit, range(16)))
    assert len(set(areas[::2])) == len(set(areas[1::2])) == 1
