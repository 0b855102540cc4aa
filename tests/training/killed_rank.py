"""training.train, one of whose ranks is killed once: `torchrun killed_rank.py RANK UPDATE MARK ...`.

From within, before that update, unless the file MARK says that it was: the moment is the same in every
run, and torchrun's log need not tell which process died first.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path

from torch import Tensor

from training.optimise import Stepper

RANK, UPDATE, MARK = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
step = Stepper.__call__


def die_or_step(stepper: Stepper, loss: Tensor) -> None:
    if stepper._updates == UPDATE and int(os.environ["RANK"]) == RANK and not MARK.exists():
        MARK.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    step(stepper, loss)


Stepper.__call__ = die_or_step  # type: ignore[method-assign]
del sys.argv[1:4]
runpy.run_module("training.train", run_name="__main__")
