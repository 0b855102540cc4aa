"""Every command says what is missing in one line, at --help too, as the base install would have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.extras import require
from inference.images.write import write_image
from tests.missing_packages import start_without
from tests.source_tree import COMMANDS

EXTRAS = {
    "train": ["torch", "matplotlib", "tensorboard"],
    "export": ["torch", "onnx"],
    "app": ["gradio"],
}


def extra_of(command: str) -> str:
    layer = command.split(".")[0]
    return "train" if layer == "training" else layer


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("inference.")])
def test_a_missing_extra_is_a_line(command: str, tmp_path: Path) -> None:
    extra = extra_of(command)
    done = start_without(EXTRAS[extra], command, tmp_path, "--help")
    package = EXTRAS[extra][0]
    install = f"{package} is not installed; install it: pip install -e '.[{extra}]'"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {install}\n")


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        ("training.train", "matplotlib"),
        ("training.train", "tensorboard"),
        ("export.to_onnx", "onnx"),
    ],
)
def test_one_package_of_several_is_named(command: str, hidden: str, tmp_path: Path) -> None:
    done = start_without([hidden], command, tmp_path)
    said = (
        f"error: {hidden} is not installed; install it: pip install -e '.[{extra_of(command)}]'\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("command", "hidden"),
    [("export.to_onnx", EXTRAS["train"][1:]), ("training.prepare", ["onnx", "gradio"])],
)
def test_what_a_command_does_not_need_may_be_missing(
    command: str, hidden: list[str], tmp_path: Path
) -> None:
    done = start_without(hidden, command, tmp_path, "--help")
    assert done.returncode == 0 and f"usage: python -m {command}" in done.stdout, done.stderr


def test_a_library_gets_an_exception() -> None:
    require("train", "torch")
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[train\]'"):
        require("train", "torch", "no_such_package")


def test_heic_files_without_their_extra_are_counted_and_named(model: Path, tmp_path: Path) -> None:
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.HEIC", "b.jpg", "c"):
        (photos / name).write_bytes(data)
    write_image(photos / "d.png", np.full((48, 64, 3), 99, np.uint8))
    arguments = [str(photos), "--model", str(model), "--output", str(tmp_path / "masks")]
    done = start_without(["pillow_heif"], "inference.segment", tmp_path, *arguments)
    said = "pillow_heif is not installed; install it: pip install -e '.[heic]', or convert it"
    assert done.returncode == 1  # b.jpg is named like an image that can be read
    assert "skipped files that look like images but cannot be used: 2 (HEIC)" in done.stderr
    errors = (tmp_path / "masks" / "errors.csv").read_text()
    assert errors.count(said) == 3 and f"b.jpg: is a HEIC image, and {said}" in errors
