"""What a format of masks is: one kind of file that a segmented image is written as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from inference.contract import Contract
from inference.images.pixels import Source
from inference.masks.runlength import RunLengths

CLASS_NAME = "lesion"  # of the only class, for annotation tools


class Segmented(Protocol):
    """What formats use of a `Segmentation`."""

    @property
    def source(self) -> Source | np.ndarray: ...
    @property
    def probability(self) -> np.ndarray: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def lesion(self) -> RunLengths: ...
    @property
    def mask(self) -> np.ndarray: ...
    @property
    def contract(self) -> Contract: ...
    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def keep_identity(self) -> bool: ...
    def overlay(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        name: as --save takes it.
        ending: of the file's name, after that of the image.
        description: of what the file holds, in up to 30 characters, for the table in --help.
        write: writes the file atomically.
        suffixes: names with these suffixes mean this format too.
    """

    name: str
    ending: str
    description: str
    write: Callable[[Segmented, Path], None]
    suffixes: tuple[str, ...] = ()
