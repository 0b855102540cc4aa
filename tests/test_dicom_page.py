"""What docs/dicom.md says is so."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pydicom
import pytest

from inference.contract import Contract
from inference.dicom.scale import CALIBRATIONS, MAX_MM, MIN_MM
from inference.dicom.unwrap import PHOTOGRAPHS
from inference.images.limits import LIMIT
from inference.masks.formats.registry import FORMATS
from inference.masks.segmentation import Segmentation
from tests.command_line import parse
from tests.inference.dicom.dicom_files import paint, write_native
from tests.source_tree import COMMANDS, ROOT

PAGE = (ROOT / "docs" / "dicom.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())
COMMAND_LINES = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_is_understood_by_its_own_parser(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "pip":
        options, _ = (
            import_module("pip._internal.commands")
            .create_command("install")
            .parse_args(arguments[1:])
        )
        (extras,) = re.findall(r"\[([\w,]+)\]", " ".join(options.editables))
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = ", project, re.MULTILINE), extra
        assert (ROOT / options.constraints[0]).is_file()
    else:
        option, module, *arguments = arguments
        assert (program, option) == ("python", "-m")
        assert module in COMMANDS and parse(module, *arguments) == 0


def test_the_kinds_of_images_are_named() -> None:
    named = {
        "Dermoscopic Photography": "1.2.840.10008.5.1.4.1.1.77.1.7",
        "VL Photographic": "1.2.840.10008.5.1.4.1.1.77.1.4",
        "VL Endoscopic": "1.2.840.10008.5.1.4.1.1.77.1.1",
        "VL Microscopic": "1.2.840.10008.5.1.4.1.1.77.1.2",
        "Secondary Capture": "1.2.840.10008.5.1.4.1.1.7",
    }
    for name, uid in named.items():
        assert name in PROSE and uid in PHOTOGRAPHS, name
    captures = {uid for uid in PHOTOGRAPHS if uid.startswith(named["Secondary Capture"] + ".")}
    assert {*named.values(), *captures} == PHOTOGRAPHS


def test_figures_and_names_are_those_of_the_code() -> None:
    assert "(2^28, checked before decoding)" in PROSE and LIMIT == 2**28
    assert f"from {MIN_MM:.4f} to {MAX_MM:.0f} mm" in PROSE
    assert f"PixelSpacingCalibrationType is {' or '.join(CALIBRATIONS)}" in PROSE
    for name in ("dicom-seg", "dicom-prob"):
        assert f"`--save {name}` writes NAME{FORMATS[name].ending}" in PROSE


def test_the_codes_are_those_that_are_written(tmp_path: Path) -> None:
    image, _ = paint()
    source = write_native(tmp_path / "x.dcm", image, PixelSpacing=[0.02, 0.02])
    probability = np.ones((16, 16), np.float32)
    Segmentation(source, probability, *image.shape[:2], Contract(size=16)).save(tmp_path / "s.dcm")
    written = str(pydicom.dcmread(tmp_path / "s.dcm"))
    codes = re.findall(r"\((SCT|DCM) (\d+)\)", PAGE)
    assert len(codes) == 4
    for scheme, code in codes:
        assert f"'{code}'" in written and f"'{scheme}'" in written, code
    (table,) = re.findall(r"^\| what \|.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    keywords = re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", table.replace("SHA", ""))
    assert len(keywords) >= 5
    for keyword in keywords:
        assert pydicom.datadict.dictionary_description(keyword).split("'")[0] in written, keyword
