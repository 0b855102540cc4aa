"""The contract between a model file and the code that runs it.

Training writes it into the checkpoint, export stamps it into the model file, inference reads it back. No
other code repeats a size, a mean or a threshold.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from inference.errors import InputError

VERSION = 1
MAX_SIZE = 8192  # of a side: a batch of one takes 800 MB as float32
METADATA_KEY = "contract"
RETIRED = {"classes"}  # entries of older files, which nothing ever read
UNFITTED: dict[str, Any] = {"confidence": None, "check_below": None, "strangeness": None}


@dataclass(frozen=True)
class Contract:
    """How an image becomes the model's input, and the model's output a mask.

    Input: `image`, (N, size, size, 3) uint8 RGB. Output: `probability`, (N, size, size) float32, 0 to 1.
    Normalisation happens inside the model.

    Attributes:
        size: side of the square input in pixels; images of any shape are squashed to it.
        colours: order of the channels.
        mean, std: per channel, for (x / 255 - mean) / std, which the model computes.
        resize: "area": an input pixel is the mean of the pixels it covers (bilinear when enlarging).
        threshold: a pixel is lesion if its probability is above it.
        largest_region: keep only the largest connected region.
        fill_holes: fill the holes in what is kept.
        provenance: where the weights come from (network, data, run), for people to read.
        confidence: coefficients of an outline's expected Jaccard index, `inference.masks.confidence`.
        check_below: an outline should be checked if its expected Jaccard index is below it.
        strangeness: coefficients of what tells pictures of something else than a lesion.

    The last three are None in files that `export.fit_confidence` has not written.

    Raises:
        InputError: an entry is out of range, or only another release knows what it means.
    """

    size: int
    colours: str = "RGB"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resize: str = "area"
    threshold: float = 0.5
    largest_region: bool = False
    fill_holes: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    confidence: tuple[float, float, float] | None = None
    check_below: float | None = None
    strangeness: tuple[float, float, float, float, float] | None = None
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise InputError(
                f"contract version {self.version}: this release reads version {VERSION}; "
                "export the model again with this release"
            )
        if self.colours != "RGB" or self.resize != "area":
            raise InputError(
                f"contract with colours {self.colours} and resize {self.resize}: this release reads "
                "RGB and area; export the model again with this release"
            )
        rules = {
            "size": (
                isinstance(self.size, int) and is_number(self.size) and 0 < self.size <= MAX_SIZE,
                f"above 0 and at most {MAX_SIZE}",
            ),
            "mean": (
                is_colour(self.mean) and max(map(abs, self.mean)) <= 1e3,
                "three numbers from -1000 to 1000",
            ),
            "std": (
                is_colour(self.std) and min(self.std) >= 1e-3 and max(self.std) <= 1e3,
                "three numbers above 0, from 0.001 to 1000",
            ),
            "threshold": (is_share(self.threshold), "between 0 and 1"),
            "largest_region": (isinstance(self.largest_region, bool), "true or false"),
            "fill_holes": (isinstance(self.fill_holes, bool), "true or false"),
            "provenance": (isinstance(self.provenance, dict), "a dictionary"),
            "confidence": (
                self.confidence is None or is_fit(self.confidence, 3),
                "three numbers from -1000 to 1000",
            ),
            "check_below": (
                (self.check_below is None) == (self.confidence is None)
                and (self.check_below is None or is_share(self.check_below)),
                "between 0 and 1, and there with confidence alone",
            ),
            "strangeness": (
                self.strangeness is None
                or (self.confidence is not None and is_fit(self.strangeness, 5)),
                "five numbers from -1000 to 1000, and there with confidence alone",
            ),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise InputError(
                    f"contract with {name} {getattr(self, name)!r}: must be {rule}; correct it"
                )

    def to_json(self) -> str:
        """As it is stored; what is not known is left out, so that earlier releases read it too."""
        known = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        return json.dumps(known, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Reads what `to_json` wrote, in this release or an earlier one.

        Raises:
            InputError: not a contract, or one of a version that this release cannot read.
        """
        try:
            entries = {key: value for key, value in json.loads(text).items() if key not in RETIRED}
            known = {entry.name for entry in dataclasses.fields(cls)}
            if unknown := set(entries) - known:
                raise InputError(
                    f"contract with unknown entries {sorted(unknown)}: another release wrote it; "
                    "export the model again with this one"
                )
            tuples = {
                key: tuple(value) for key, value in entries.items() if isinstance(value, list)
            }
            return cls(**{**entries, **tuples})
        except (json.JSONDecodeError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"unreadable contract ({error}): export the model again") from error


def is_number(value: Any) -> bool:
    """True for a finite number; a bool is not one."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def is_share(value: Any) -> bool:
    """True for a number between 0 and 1, neither of them."""
    return is_number(value) and 0 < value < 1


def is_fit(value: Any, count: int) -> bool:
    """True for so many numbers that are coefficients."""
    return isinstance(value, tuple) and len(value) == count and all(map(is_coefficient, value))


def is_coefficient(value: Any) -> bool:
    return is_number(value) and abs(value) <= 1000


def is_colour(value: Any) -> bool:
    """True for three finite numbers."""
    return isinstance(value, tuple) and len(value) == 3 and all(map(is_number, value))
