"""The demo: a page in the browser over the same code as the command line."""

import os

MAX_PIXELS = 64_000_000
# Read by OpenCV when it decodes its first image. A visitor's image must not take all the memory.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
