"""The demo: a page in the browser over the same code as the command line."""

from inference.images.limits import limit_pixels

limit_pixels(64_000_000)  # a visitor's image must not take all the memory
