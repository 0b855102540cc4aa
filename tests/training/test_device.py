from __future__ import annotations

import pytest
import torch

from inference.errors import InputError
from training.device import Runtime, explain_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_out_of_memory_is_a_line_with_a_hint(error: Exception) -> None:
    with pytest.raises(InputError, match="--accumulate 2"), explain_memory(16, 1):
        raise error
    with pytest.raises(RuntimeError, match="illegal memory"), explain_memory(16, 1):
        raise RuntimeError("illegal memory access")


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InputError, match="nvidia-smi"):
        Runtime("cuda")
