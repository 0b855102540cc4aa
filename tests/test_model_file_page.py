"""What docs/model-file.md promises to other programs: schema, examples, Triton's configuration."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import jsonschema
import numpy as np
import onnx
import pytest

from export.onnx_file import replace_contract
from inference import load
from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.images.pixels import read_image, read_mask
from inference.models import SHIPPED, SHIPPED_INT8
from tests.inference.runtime.acl_device import SIZE, Device, redness
from tests.source_tree import ROOT
from training.synthetic.lesion import make_lesion

DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PAGE = (DOCS / "model-file.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((DOCS / "contract.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FITTED = {"confidence": [-3.0, -1.7, 0.2], "check_below": 0.8}
# (height, width): of a camera, wide, high, smaller than the model's input, odd.
SIZES = [(384, 514), (150, 400), (400, 150), (60, 80), (333, 517)]


def read_metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


# The contract.


@pytest.mark.parametrize("path", [SHIPPED, SHIPPED_INT8], ids=lambda path: path.stem)
def test_the_files_that_ship_keep_to_the_schema(path: Path) -> None:
    VALIDATOR.validate(json.loads(read_metadata(path)[METADATA_KEY]))


def test_files_of_ours_keep_to_it(model: Path, fitted: Path) -> None:
    for path in (model, fitted):
        VALIDATOR.validate(json.loads(read_metadata(path)[METADATA_KEY]))


def test_the_schema_has_the_entries_and_defaults_of_the_contract() -> None:
    VALIDATOR.check_schema(SCHEMA)
    assert {*SCHEMA["properties"]} == {field.name for field in dataclasses.fields(Contract)}
    plain = json.loads(Contract(size=64).to_json())
    for name, entry in SCHEMA["properties"].items():
        assert entry["description"]
        assert name == "size" or entry.get("default") == plain.get(name), name
    assert SCHEMA["required"] == ["size"]


WRONG = [
    {"size": 0},
    {"size": 8193},
    {"size": "192"},
    {"version": 2},
    {"colours": "BGR"},
    {"resize": "nearest"},
    {"mean": [0.5, 0.5]},
    {"mean": [0.5, 0.5, 2000]},
    {"std": [0, 1, 1]},
    {"threshold": 0},
    {"threshold": 1.0},
    {"largest_region": 1},
    {"fill_holes": "yes"},
    {"provenance": []},
    {"confidence": [1, 2, 3]},
    {"check_below": 0.5},
    {"strangeness": [1, 2, 3, 4, 5]},
    {**FITTED, "confidence": [1, 2]},
    {**FITTED, "check_below": 1},
    {**FITTED, "strangeness": [1, 2, 3, 4]},
    {"surprise": 1},
]


@pytest.mark.parametrize("entries", WRONG, ids=str)
def test_what_the_code_refuses_the_schema_refuses(entries: dict[str, Any]) -> None:
    contract = {"size": 64, **entries}
    with pytest.raises(InputError):
        Contract.from_json(json.dumps(contract))
    assert not VALIDATOR.is_valid(contract)


def test_what_the_code_takes_the_schema_takes() -> None:
    for entries in ({}, FITTED, {**FITTED, "strangeness": [1, -2, 3, 4, 5]}, {"threshold": 0.3}):
        contract = {"size": 64, **entries}
        Contract.from_json(json.dumps(contract))
        VALIDATOR.validate(contract)


def test_the_page_says_what_the_file_is() -> None:
    for path in (SHIPPED, SHIPPED_INT8):
        model = onnx.load(path)
        (opset,) = model.opset_import
        assert f"opset {opset.version} and IR version {model.ir_version}" in PAGE
        assert not opset.domain and not any(node.domain for node in model.graph.node)
        assert path.read_bytes()[:-64].rfind(b"sha256") > path.stat().st_size - 100
    for name in ("size", "threshold", "largest_region", "fill_holes"):
        assert f"| `{name}` |" in PAGE and name in SCHEMA["properties"]


# The programs.


@pytest.fixture(scope="module")
def scattered(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, whose masks have many regions and holes, with all of the clean-up."""
    path = tmp_path_factory.mktemp("scattered") / "model.onnx"
    replace_contract(model, {"largest_region": True, "fill_holes": True, "threshold": 0.4}, path)
    return path


def draw_photo(folder: Path, height: int, width: int) -> Path:
    """A photo without loss."""
    image, _ = make_lesion(np.random.default_rng(height), height, width)
    path = folder / f"{height}x{width}.png"
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def run_python(program: str, *arguments: str | Path) -> None:
    """Runs an example in this process, as `python PROGRAM ARGUMENTS`."""
    with patch.object(sys, "argv", [program, *map(str, arguments)]):
        exec(compile((EXAMPLES / program).read_text(encoding="utf-8"), program, "exec"), {})


def run_program(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def count_differing(model: Path, photo: Path, target: Path) -> int:
    """Pixels of a mask file that are not those of our own mask."""
    ours, theirs = load(model).segment(photo).mask, read_mask(target)
    assert ours.shape == theirs.shape
    return np.count_nonzero(ours != theirs)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_program_in_python_makes_our_masks(
    height: int, width: int, scattered: Path, tmp_path: Path
) -> None:
    photo, target = draw_photo(tmp_path, height, width), tmp_path / "mask.png"
    for model in (SHIPPED, scattered):
        run_python("segment.py", model, photo, target)
        assert count_differing(model, photo, target) == 0


def test_the_program_in_python_imports_nothing_of_ours() -> None:
    text = (EXAMPLES / "segment.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^import (\w+)", text, re.M)) == {
        "json",
        "sys",
        "cv2",
        "numpy",
        "onnxruntime",
    }
    assert "\nfrom " not in text


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with segment.mjs and the packages that it names."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(EXAMPLES / "segment.mjs", folder)
    (named,) = re.findall(
        r"^// npm install ([\w -]+)$", (EXAMPLES / "segment.mjs").read_text(), re.M
    )
    quiet = ("--no-audit", "--no-fund", "--prefer-offline", "--silent")
    installed = subprocess.run(
        [npm, "install", *quiet, *named.split()], cwd=folder, capture_output=True, check=False
    )
    if installed.returncode:
        pytest.skip("npm's registry cannot be reached")
    return folder


def test_the_program_in_javascript_makes_our_masks(
    packages: Path, scattered: Path, tmp_path: Path
) -> None:
    """But for a few pixels where rounding decides. A start takes Node seconds, so sizes are few."""
    target = tmp_path / "mask.png"
    for model, size in ((SHIPPED, SIZES[0]), (scattered, SIZES[1])):
        photo = draw_photo(tmp_path, *size)
        run_program("node", "segment.mjs", model, photo, target, cwd=packages)
        assert count_differing(model, photo, target) <= 2e-3 * size[0] * size[1], size


def test_the_program_in_cpp_makes_our_masks(scattered: Path, tmp_path: Path) -> None:
    program = tmp_path / "segment"
    flags = subprocess.run(
        "pkg-config --cflags --libs opencv4",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    source = EXAMPLES / "segment.cpp"
    command = ["g++", "-std=c++17", source, "-o", program, *flags.stdout.split(), "-lonnxruntime"]
    probe = "#include <onnxruntime_cxx_api.h>\n#include <opencv2/imgcodecs.hpp>\n"
    if shutil.which("g++") is None or (
        subprocess.run(
            ["g++", "-std=c++17", "-E", "-x", "c++", "-", *flags.stdout.split()],
            input=probe,
            capture_output=True,
            text=True,
            check=False,
        ).returncode
    ):
        pytest.skip("no C++ compiler with the headers of ONNX Runtime and OpenCV 4")
    run_program(*command)
    for model, size in ((SHIPPED, SIZES[0]), (SHIPPED, SIZES[3]), (scattered, SIZES[1])):
        photo, target = draw_photo(tmp_path, *size), tmp_path / "mask.png"
        run_program(program, model, photo, target)
        assert count_differing(model, photo, target) <= 5e-4 * size[0] * size[1], size


def test_the_program_for_ascend_runs_on_a_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in's model takes the red channel for the probability of lesion."""
    photo = draw_photo(tmp_path, 60, 90)
    image = read_image(photo)
    small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    probability = cv2.resize(redness(small[None])[0], (90, 60))
    contract = {"size": SIZE, "threshold": float(np.median(probability))}
    sidecar, target = tmp_path / "model.json", tmp_path / "mask.png"
    sidecar.write_text(json.dumps({"contract": contract}))
    monkeypatch.setitem(sys.modules, "acl", Device(dynamic=False, room=1))
    run_python("segment_acl.py", tmp_path / "model.om", sidecar, photo, target)
    expected = probability > contract["threshold"]
    assert 0 < expected.sum() < expected.size
    assert np.array_equal(read_mask(target), expected)


# Triton.


def read_pbtxt(path: Path) -> dict[str, Any]:
    """A protobuf text file: its messages as dictionaries, in lists where they stand in brackets."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"(\w+)\s*:", r'"\1":', text)
    text = re.sub(r"(\w+)\s*([\[{])", r'"\1": \2', text)
    text = re.sub(r":\s*([A-Z_0-9]*[A-Z_]+[A-Z_0-9]*)", r': "\1"', text)
    text = re.sub(r'([\d"\]}])\s*\n\s*(?=")', r"\1, ", text)
    return json.loads("{" + text.strip() + "}")


def test_tritons_configuration_is_that_of_the_file() -> None:
    repository = DOCS / "triton" / SHIPPED.stem
    config = read_pbtxt(repository / "config.pbtxt")
    assert config["name"] == repository.name and config["backend"] == "onnxruntime"
    assert config["max_batch_size"] > 1
    graph = onnx.load(SHIPPED).graph
    types = {"TYPE_UINT8": onnx.TensorProto.UINT8, "TYPE_FP32": onnx.TensorProto.FLOAT}
    for kind, (tensor,) in (("input", graph.input), ("output", graph.output)):
        (said,) = config[kind]
        shape = tensor.type.tensor_type.shape.dim
        assert said["name"] == tensor.name and shape[0].dim_param  # any batch
        assert types[said["data_type"]] == tensor.type.tensor_type.elem_type
        assert said["dims"] == [side.dim_value for side in shape[1:]]
    (copied,) = re.findall(r"^cp (\S+) docs/triton/\w+/1/model\.onnx$", PAGE, re.M)
    assert ROOT / copied == SHIPPED
