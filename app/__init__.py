"""The demo: a page in the browser over the same code as the command line."""

import os

from inference.extras import require
from inference.images.limits import limit_pixels

require("app", "gradio")

for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]  # it asks nobody but itself, which a proxy cannot reach
limit_pixels(64_000_000)  # a visitor's image must not take all the memory
