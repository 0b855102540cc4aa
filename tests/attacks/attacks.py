"""Attacks on a run over many images: how many were tried, and what was lost.

Something is lost if an image that is whole has no mask, another mask than undisturbed, or is in no
table; or if a broken one is not named in errors.csv.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import cv2
import numpy as np

import inference.files
from inference.batch.options import SegmentOptions
from inference.segment import segment
from tests.contents import contents
from training.synthetic.lesion import make_lesion


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        tried: attacks.
        lost: images without their own mask or their line in a table.
        before, after: resident memory of this process in MB; 0 where the system does not tell.
    """

    attack: str
    tried: int
    lost: int
    before: float
    after: float


def resident() -> float:
    """Resident memory of this process in MB; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_images(folder: Path, count: int) -> None:
    """Writes made-up photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image, _ = make_lesion(np.random.default_rng(number), 96, 128)
        cv2.imwrite(str(folder / f"whole-{number:04}.{'png' if number % 2 else 'jpg'}"), image)


def damage(data: bytes, chance: random.Random) -> bytes:
    """An image file cut, overwritten or made up: never one that is whole."""
    kind = chance.randrange(5)
    if kind == 0:
        return data[: chance.randrange(len(data) // 2)]
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 2000))
    if kind == 2:  # the head alone
        return data[:8] + chance.randbytes(500)
    if kind == 3:  # a PNG header that claims 2^31 pixels a side
        return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0"
    return b"\0" * len(data)


def named(table: Path) -> set[str]:
    """File names in the first column of a table; none if there is no such table."""
    if not table.exists():
        return set()
    with table.open(newline="", encoding="utf-8") as file:
        return {Path(row["image"]).name for row in csv.DictReader(file)}


def count_lost(output: Path, undisturbed: dict[str, bytes], whole: set[str], bad: set[str]) -> int:
    """Images whose result is not what it must be."""
    found = contents(output)
    masks = [name for name in undisturbed if name.endswith(".png")]
    wrong = sum(found.get(name) != undisturbed[name] for name in masks)
    return (
        wrong + len(whole - named(output / "masks.csv")) + len(bad - named(output / "errors.csv"))
    )


def run_undisturbed(images: Path, model: Path, output: Path) -> dict[str, bytes]:
    """The masks of a run that nothing disturbs, by name."""
    segment([str(images)], SegmentOptions(model, output, provider="cpu"), threads=2)
    return contents(output)


def attack_with_bad_images(work: Path, model: Path, count: int) -> tuple[int, int]:
    """Bad images among whole ones."""
    chance, images = random.Random(0), work / "images"
    make_images(images, 10)
    undisturbed = run_undisturbed(images, model, work / "undisturbed")
    whole = {path.name for path in images.iterdir()}
    sources = [path.read_bytes() for path in sorted(images.iterdir())]
    for number in range(count):
        name = f"bad-{number:04}.{chance.choice(['jpg', 'png', 'bmp', 'tif'])}"
        (images / name).write_bytes(damage(chance.choice(sources), chance))
    bad = {path.name for path in images.iterdir()} - whole
    assert (
        segment([str(images)], SegmentOptions(model, work / "masks", provider="cpu"), threads=2)
        == 1
    )
    return count, count_lost(work / "masks", undisturbed, whole, bad)


def attack_with_kills(work: Path, model: Path, count: int) -> tuple[int, int]:
    """SIGKILL at any moment, then --resume."""
    chance, images, output = random.Random(1), work / "images", work / "masks"
    make_images(images, 40)
    undisturbed = run_undisturbed(images, model, work / "undisturbed")
    command = [sys.executable, "-m", "inference.segment", images, "--resume", "--batch-size", "1"]
    command += ["--model", model, "--output", output, "--threads", "1", "--provider", "cpu"]
    for _ in range(count):
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        seen = len(list(output.glob("*.png"))) if output.exists() else 0
        while process.poll() is None and len(list(output.glob("*.png"))) <= seen:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
    segment([str(images)], SegmentOptions(model, output, provider="cpu", resume=True), threads=2)
    whole = {path.name for path in images.iterdir()}
    left = sum(".partial" in path.name or path.name == ".lock" for path in output.rglob(".*"))
    return count, left + count_lost(output, undisturbed, whole, set())


@contextmanager
def full_disk(every: int) -> Iterator[None]:
    """A disk on which every n-th file that is written finds no space."""
    written, replace = 0, os.replace

    def run_out(source: Path, target: Path) -> None:
        nonlocal written
        written += 1
        if written % every == 0 and target.suffix == ".png":
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    with patch.object(inference.files.os, "replace", run_out):
        yield


def attack_with_full_disks(work: Path, model: Path, count: int) -> tuple[int, int]:
    """A disk that is full from time to time, then --resume."""
    images, output = work / "images", work / "masks"
    make_images(images, 20)
    undisturbed = run_undisturbed(images, model, work / "undisturbed")
    whole, lost = {path.name for path in images.iterdir()}, 0
    for number in range(count):
        options = SegmentOptions(model, output, provider="cpu", resume=number > 0)
        with full_disk(2 + number):
            segment([str(images)], options, threads=2)
        listed = named(output / "masks.csv") | named(output / "errors.csv")
        lost += len(whole - listed)
    segment([str(images)], SegmentOptions(model, output, provider="cpu", resume=True), threads=2)
    return count, lost + count_lost(output, undisturbed, whole, set())


ATTACKS: dict[str, Callable[[Path, Path, int], tuple[int, int]]] = {
    "bad images": attack_with_bad_images,
    "kills": attack_with_kills,
    "full disks": attack_with_full_disks,
}


def attack(name: str, work: Path, model: Path, count: int) -> Row:
    """Tries one kind of attack `count` times, in a folder of its own."""
    before = resident()
    tried, lost = ATTACKS[name](work / name.replace(" ", "-"), model, count)
    return Row(name, tried, lost, before, resident())
