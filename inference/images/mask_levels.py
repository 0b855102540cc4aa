"""How the levels of mask files are meant; imports nothing, so that naming them needs no NumPy."""

from typing import Literal

# "255": lesion is above 128, as for the official scorer. "01": lesion is 1, in masks of 0 and 1.
MaskLevels = Literal["255", "01"]
