"""Which images of an output folder are finished, for --resume and for gathering shards."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from inference.batch.writer import KEEP_IDENTITY, Done, MaskRow, product_paths
from inference.errors import InputError
from inference.files import TEMPORARY
from inference.images.archives import Member
from inference.images.pixels import Source
from inference.images.sources import Frame
from inference.lock import Lock, explain_lock, is_held, is_running
from inference.masks.morphometry import Measures
from inference.masks.png import is_undamaged

ANOTHER_FOLDER = "give another --output folder"


class ResumeJournal:
    """A journal, `.finished.jsonl`, to which a line is added once all files of an image are written.

    A process that is killed leaves at worst an incomplete line, which is ignored: that image is done
    again, with the same result.

    Args:
        output: the folder that the images are written to.
        part: "" or "-2-of-5": each shard keeps its own journal.
        fingerprint: what the masks depend on; a journal with another one cannot be resumed.
        resume: take over the entries of all journals in the folder; otherwise start a new one.

    Raises:
        InputError: `output` is a file, another run is at work there, or a journal is of other settings.
    """

    def __init__(self, output: Path, part: str, fingerprint: dict[str, Any], resume: bool) -> None:
        if output.is_file():
            raise InputError(f"--output {output}: is a file; give a folder")
        output.mkdir(parents=True, exist_ok=True)
        self.output = output
        self.known: dict[str, dict[str, Any]] = {}  # by stem; the last entry counts
        self.lock = Lock(output, f".lock{part}", ANOTHER_FOLDER)
        self._refuse_others(part, fingerprint)
        if resume:
            if not part:
                remove_leftovers(output)
            for path in sorted(output.glob(".finished*.jsonl")):
                self.read(path, fingerprint)
        path = output / f".finished{part}.jsonl"
        refuse_link(path)
        self._file = path.open("ab" if resume else "wb", buffering=0)
        # The first line feed ends an incomplete line.
        self._write(b"\n" + json.dumps({"settings": fingerprint}).encode() + b"\n")

    def _refuse_others(self, part: str, fingerprint: dict[str, Any]) -> None:
        """Raises InputError for a run at work in the folder, unless both are shards of one settings."""
        for lock in self.output.glob(".lock*"):
            other = lock.name.removeprefix(".lock")
            if other == part or not is_held(lock):
                continue
            if not (part and other):
                raise explain_lock(lock, ANOTHER_FOLDER)
            journal = self.output / f".finished{other}.jsonl"
            if journal.exists():
                self.read(journal, fingerprint)

    def read(self, path: Path, fingerprint: dict[str, Any]) -> None:
        """Takes over the entries of a journal.

        Raises:
            InputError: it is a link, has another fingerprint, or entries without any.
        """
        refuse_link(path)
        begun: dict[str, Any] | None = None
        for line in path.read_bytes().split(b"\n"):
            entry: dict[str, Any] = {}
            with suppress(ValueError, RecursionError):
                found = json.loads(line)
                entry = found if isinstance(found, dict) else {}
            if isinstance(entry.get("settings"), dict):
                begun = entry["settings"]
            if "stem" in entry and begun is None:
                raise InputError(
                    f"{path}: has lost the line with its settings, so it is unknown which model made "
                    "the masks; leave --resume out, or give another --output folder"
                )
            settings = fingerprint if begun is None else begun
            if others := [name for name in fingerprint if settings.get(name) != fingerprint[name]]:
                raise InputError(
                    f"{self.output}: an earlier run used another model or other settings "
                    f"({', '.join(others)}); use the same ones with --resume, or another --output folder"
                )
            if "stem" in entry:
                self.known[entry["stem"]] = entry

    def find(self, source: Source, stem: Path, save: Collection[str]) -> Done | None:
        """The entry of an image, if the image has not changed and all its files are complete."""
        entry = self.known.get(stem.as_posix())
        try:
            if not entry or entry["image"] != str(source) or not set(save) <= set(entry["save"]):
                return None
            if (KEEP_IDENTITY in entry["save"]) != (KEEP_IDENTITY in save):
                return None
            if not entry["stamp"] or entry["stamp"] != stamp(source):
                return None
            if not all(is_whole(path) for path in product_paths(self.output / stem, save).values()):
                return None
            measures = entry["measures"] if "csv" in save else None
            measured = read_measures(measures) if measures else None
            return Done(MaskRow(*entry["row"]), measured, entry.get("mm_per_pixel"))
        except (KeyError, TypeError):  # no entry that `add` wrote: the image is done again
            return None

    def add(
        self, source: Source, stem: Path, stamped: str, done: Done, save: Iterable[str]
    ) -> None:
        """Notes that all files of an image have been written.

        Args:
            stamped: its stamp from before it was read; it may have been replaced since.
        """
        entry = {
            "image": str(source),
            "stem": stem.as_posix(),
            "stamp": stamped,
            "save": sorted(save),
            "row": done.row,
            "measures": done.measures and done.measures._asdict(),
            "mm_per_pixel": done.mm_per_pixel,
        }
        self._write(json.dumps(entry).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # a full disk: a resumed run does the image again
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
        self.lock.release()


def read_measures(entry: Any) -> Measures:
    """The measures of an entry; earlier releases wrote a list, whose last value is no longer measured.

    Raises:
        TypeError: it is neither.
    """
    return Measures(**entry) if isinstance(entry, dict) else Measures(*entry[:-1])


def refuse_link(path: Path) -> None:
    """Raises InputError for a link: what it leads to would be overwritten."""
    if path.is_symlink():
        raise InputError(f"{path}: is a link, which is not followed; delete it")


def stamp(source: Source) -> str:
    """Tells whether an image has changed: size and time of its file, checksum of an archive's member.

    Empty for an address, which may return another image each time.
    """
    if isinstance(source, Member):
        return f"{source.info.file_size}:{source.info.CRC:08x}"
    file = source.video.path if isinstance(source, Frame) else source
    if isinstance(file, Path):
        with suppress(OSError):
            stat = file.stat()
            return f"{stat.st_size}:{stat.st_mtime_ns}"
    return ""


def is_whole(path: Path) -> bool:
    """True for a file that exists and is not empty; a PNG file must also be undamaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return is_undamaged(data) if path.suffix == ".png" else bool(data)


def remove_leftovers(output: Path) -> None:
    """Deletes half-written files that killed processes of this machine left behind."""
    for parent, _, names in os.walk(output):
        for name in names:
            match = TEMPORARY.fullmatch(name)
            if match and not is_running(int(match[1])):
                Path(parent, name).unlink(missing_ok=True)
