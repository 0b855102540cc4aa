"""Which images of an output folder are finished: what --resume goes by, and what a shard hands on."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from inference.batch.writer import Done, Row, product_paths
from inference.errors import InputError
from inference.files import TEMPORARY
from inference.images.pixels import PNG_END, Source
from inference.images.sources import Frame, Member
from inference.masks.morphometry import Measures


class ResumeJournal:
    """A journal, `.finished.jsonl`, to which a line is added once all files of an image are written.

    A process that is killed leaves at worst a line cut short, which counts for nothing: that image is
    done again, to the same bytes.

    Args:
        output: the folder that the images are written to.
        part: "" or "-2-of-5": each shard keeps its own journal.
        settings: what the masks depend on; a journal with others cannot be resumed.
        resume: take over what all journals in the folder hold; else this one begins anew.

    Raises:
        InputError: `output` is a file, or the journals are of other settings.
    """

    def __init__(self, output: Path, part: str, settings: dict[str, Any], resume: bool) -> None:
        if output.is_file():
            raise InputError(f"--output {output}: is a file; give a folder")
        output.mkdir(parents=True, exist_ok=True)
        self.output = output
        self.known: dict[str, dict[str, Any]] = {}  # by stem: of two images the later wrote last
        if resume:
            if not part:
                remove_leftovers(output)
            for path in sorted(output.glob(".finished*.jsonl")):
                self.read(path, settings)
        path = output / f".finished{part}.jsonl"
        self._file = path.open("ab" if resume else "wb", buffering=0)
        # The first line feed ends a line that was cut short.
        self._write(b"\n" + json.dumps({"settings": settings}).encode() + b"\n")

    def read(self, path: Path, settings: dict[str, Any]) -> None:
        """Takes over the entries of a journal."""
        for line in path.read_bytes().split(b"\n"):
            entry: dict[str, Any] = {}
            with suppress(json.JSONDecodeError, UnicodeDecodeError):
                entry = json.loads(line)
            begun = entry.get("settings", settings)
            if others := [name for name in settings if begun.get(name) != settings[name]]:
                raise InputError(
                    f"{self.output}: was begun with another model or other settings "
                    f"({', '.join(others)}); give --resume the same ones, or choose another --output "
                    "folder"
                )
            if "stem" in entry:
                self.known[entry["stem"]] = entry

    def find(self, source: Source, stem: Path, save: Collection[str]) -> Done | None:
        """What is known of an image, if it has not changed and all its files are there, whole."""
        entry = self.known.get(stem.as_posix())
        if not entry or entry["image"] != str(source) or not set(save) <= set(entry["save"]):
            return None
        if not entry["stamp"] or entry["stamp"] != stamp(source):
            return None
        if not all(is_whole(path) for path in product_paths(self.output / stem, save).values()):
            return None
        measures = entry["measures"] if "csv" in save else None
        return Done(Row(*entry["row"]), Measures(*measures) if measures else None)

    def add(self, source: Source, stem: Path, done: Done, save: Iterable[str]) -> None:
        """Notes that all files of an image are written."""
        entry = {
            "image": str(source),
            "stem": stem.as_posix(),
            "stamp": stamp(source),
            "save": sorted(save),
            "row": done.row,
            "measures": done.measures,
        }
        self._write(json.dumps(entry).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # a full disk: the image is only done again if the run is resumed
            self._file.write(line)

    def __enter__(self) -> ResumeJournal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def stamp(source: Source) -> str:
    """Tells whether an image is the same: size and time of its file, checksum of an archive's member.

    Nothing for an address, behind which there may be another image each time.
    """
    if isinstance(source, Member):
        info = source.opened.getinfo(source.name)
        return f"{info.file_size}:{info.CRC:08x}"
    file = source.video.path if isinstance(source, Frame) else source
    if isinstance(file, Path):
        with suppress(OSError):
            stat = file.stat()
            return f"{stat.st_size}:{stat.st_mtime_ns}"
    return ""


def is_whole(path: Path) -> bool:
    """True for a file that is there and not empty; a PNG file must have its end, too."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(PNG_END)))
            end = file.read()
    except OSError:
        return False
    return end == PNG_END if path.suffix == ".png" else bool(end)


def remove_leftovers(output: Path) -> None:
    """Deletes what processes of this machine that were killed left half-written."""
    for parent, _, names in os.walk(output):
        for name in names:
            match = TEMPORARY.fullmatch(name)
            if match and not is_running(int(match[1])):
                Path(parent, name).unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """True if there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
