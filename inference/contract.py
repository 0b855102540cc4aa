"""The contract between a model file and whoever runs it.

Training writes it into the checkpoint, export stamps it into the model file, inference reads it back:
nothing downstream repeats a size, a mean or a threshold.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from inference.errors import InputError

VERSION = 1
METADATA_KEY = "contract"


@dataclass(frozen=True)
class Contract:
    """How an image becomes the model's input, and its output a mask.

    The model's input is `image`: (N, size, size, 3) uint8 RGB, its output `probability`: (N, size, size)
    float32 in [0, 1]; the normalisation is inside the model.

    Attributes:
        size: side of the square input in pixels; images are squashed to it, whatever their shape.
        colours: order of the channels.
        mean, std: normalisation inside the model, on the scale 0..1: (x / 255 - mean) / std.
        resize: "area": every input pixel is the mean of the pixels it covers (bilinear when enlarging).
        threshold: a pixel is lesion when its probability is above it.
        largest_region: keep the largest connected region alone.
        fill_holes: fill the holes of what is kept.
        classes: what the output's channels mean.
        provenance: where the weights come from (network, data, run), for people to read.
    """

    size: int
    colours: str = "RGB"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resize: str = "area"
    threshold: float = 0.5
    largest_region: bool = False
    fill_holes: bool = False
    classes: tuple[str, ...] = ("lesion",)
    provenance: dict[str, Any] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise InputError(
                f"contract version {self.version}: this release reads version {VERSION}; "
                "export the model again with this release"
            )
        if self.colours != "RGB" or self.resize != "area":
            raise InputError(
                f"contract with colours {self.colours} and resize {self.resize}: "
                'only "RGB" and "area" are known; export the model again with this release'
            )
        rules = {
            "size": (
                isinstance(self.size, int) and is_number(self.size) and self.size > 0,
                "above 0",
            ),
            "mean": (is_colour(self.mean), "three numbers"),
            "std": (is_colour(self.std) and min(self.std) > 0, "three numbers above 0"),
            "threshold": (is_number(self.threshold) and 0 < self.threshold < 1, "between 0 and 1"),
            "largest_region": (isinstance(self.largest_region, bool), "true or false"),
            "fill_holes": (isinstance(self.fill_holes, bool), "true or false"),
            "classes": (all(isinstance(name, str) for name in self.classes), "names"),
            "provenance": (isinstance(self.provenance, dict), "entries by name"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise InputError(
                    f"contract with {name} {getattr(self, name)!r}: must be {rule}; change it"
                )

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Reads what `to_json` wrote.

        Raises:
            InputError: not a contract, or one of another version.
        """
        try:
            entries = json.loads(text)
            known = {entry.name for entry in dataclasses.fields(cls)}
            if unknown := set(entries) - known:
                raise InputError(
                    f"contract with unknown entries {sorted(unknown)}: it was written by another "
                    "release; export the model again with this one"
                )
            tuples = {
                key: tuple(value) for key, value in entries.items() if isinstance(value, list)
            }
            return cls(**{**entries, **tuples})
        except (json.JSONDecodeError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"unreadable contract ({error}): export the model again") from error


def is_number(value: Any) -> bool:
    """True for a finite number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_colour(value: Any) -> bool:
    """True for three finite numbers."""
    return isinstance(value, tuple) and len(value) == 3 and all(map(is_number, value))
