from __future__ import annotations

import pytest
import torch

from inference.errors import InputError
from training import device
from training.device import Runtime, computes_in, explain_memory
from training.precision import DTYPES, Half, Level


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


@pytest.mark.parametrize(
    ("level", "half", "name"), [("O1", "auto", "bf16"), ("O2", "fp16", "fp16")]
)
def test_half_precision_that_the_processor_only_emulates_is_said(
    level: Level, half: Half, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.dtype] = []
    for able in (False, True):
        monkeypatch.setattr(
            device, "computes_in", lambda half, able=able: asked.append(half) or able
        )
        said = Runtime("cpu", level=level, half=half).remarks()
        assert [name in line and "O0" in line for line in said] == [True] * (not able)
    assert asked == [DTYPES[name]] * 2
    assert Runtime("cpu").remarks() == []


def test_what_the_processor_computes_in_is_known() -> None:
    assert {computes_in(half) for half in DTYPES.values()} <= {True, False}
