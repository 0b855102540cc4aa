"""Peak memory of a model, measured in a process of its own that opens it and runs it once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inference.runtime.segmenter import Segmenter

STATUS = Path("/proc/self/status")  # Linux alone has it
PROBE = """
import sys
from pathlib import Path
import numpy as np
from inference.runtime.segmenter import Segmenter
path, threads, provider, batch, status = sys.argv[1:]
segmenter = Segmenter(Path(path), int(threads), provider)
size = segmenter.contract.size
segmenter(np.zeros((int(batch), size, size, 3), np.uint8))
lines = Path(status).read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def probe_memory(segmenter: Segmenter, batch: int, threads: int) -> float | None:
    """Peak memory in MB (2**20 bytes) for one batch; None if the system does not tell."""
    if not STATUS.is_file():
        return None
    arguments = (str(segmenter.path), str(threads), segmenter.provider, str(batch), str(STATUS))
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return int(done.stdout) / 1024 if done.returncode == 0 else None
