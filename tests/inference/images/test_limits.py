"""The limit of pixels is the caller's, then the app's, then ours; OpenCV and our own check share it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from inference.images.limits import LIMIT, VARIABLE


@pytest.mark.parametrize(
    ("package", "given", "expected"),
    [
        ("inference", None, LIMIT),
        ("app", None, 64_000_000),
        ("inference", "1000", 1000),
        ("app", "1000", 1000),
        ("app", "3MB", 3 * 2**20),
    ],
)
def test_the_limit(package: str, given: str | None, expected: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if given:
        environment[VARIABLE] = given
    code = f"""
import {package}
import cv2
import numpy as np
from inference.images.limits import limit_pixels, max_pixels
limit_pixels(7)  # too late: OpenCV has read it
print(max_pixels())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == expected
