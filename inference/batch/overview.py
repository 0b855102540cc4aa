"""What an overview is: a file about a whole run, such as a table or a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.batch.remarks import doubt
from inference.batch.writer import Done
from inference.contract import Contract
from inference.images.pixels import Source
from inference.runtime.stream import Failure


@dataclass(frozen=True)
class Results:
    """What a run has done.

    Attributes:
        output: the folder that the files of each image are in.
        part: "" or "-2-of-5", which the names of a shard's tables end in.
        stems: where each image's files go in it, without their endings.
        save: what was written, by the names that --save takes.
        done: the finished images in the order in which they were given, with their measures.
        failures: the others.
        models: the model files.
        fingerprint: what the masks depend on, as `Segmenter.fingerprint` says.
        mm_per_pixel: size of a pixel, if it is known.
        threads: that may draw.
    """

    output: Path
    part: str
    stems: Mapping[Source, Path]
    save: Collection[str]
    done: Sequence[tuple[Source, Done]]
    failures: Sequence[Failure]
    models: Sequence[Path]
    fingerprint: dict[str, Any]
    mm_per_pixel: float | None
    threads: int

    @property
    def contract(self) -> Contract:
        """The contract that the models share."""
        return Contract.from_json(self.fingerprint["contract"])

    def most_doubtful(self, count: int) -> list[tuple[Source, Done]]:
        """Up to `count` finished images, those most in doubt first; among equals the order stays."""
        return sorted(self.done, key=lambda finished: doubt(finished[1].row))[:count]


@dataclass(frozen=True)
class Overview:
    """One kind of file.

    Attributes:
        name: as --save takes it.
        file: the file's name in the output folder.
        description: of what it holds, in up to 40 characters, for the table in --help.
        write: writes the file atomically, or none if there is nothing to show.
        shows_masks: it is drawn from the mask files.
        shows_measures: it has the measures of each image.
    """

    name: str
    file: str
    description: str
    write: Callable[[Path, Results], None]
    shows_masks: bool = False
    shows_measures: bool = False
