"""Times several computations against each other, and the machine they run on."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np
import onnxruntime

Name = TypeVar("Name", bound=Hashable)
WARM_UP = 2  # runs of each computation that do not count
SIDE = 1536  # of the matrices: large enough to reach the machine's peak; 7 GFLOP per product
# The ONNX file of c = a @ b in float32, opset 17, as bytes: inference does without the onnx package.
PRODUCT = bytes.fromhex(
    "08083a480a110a01610a016212016322064d61744d756c12005a0f0a0161120a0a08080112040a000a00"
    "5a0f0a0162120a0a08080112040a000a00620f0a0163120a0a08080112040a000a0042040a001011"
)


def interleave(
    computations: Mapping[Name, Callable[[], object]], rounds: int
) -> Iterator[tuple[Name, float | Exception]]:
    """Runs computations in turn, A B C A B C, so that a busy machine slows all of them alike.

    Each is warmed up by WARM_UP runs first. One that raises does not run again.

    Yields:
        (name, seconds) for each run that counts, or (name, exception).
    """
    failed = set()
    for number in range(-WARM_UP, rounds):
        for name, compute in computations.items():
            if name in failed:
                continue
            start = time.perf_counter()
            try:
                compute()
            except Exception as error:  # of any kind: the others are still measured
                failed.add(name)
                yield name, error
                continue
            if number >= 0:
                yield name, time.perf_counter() - start


def time_interleaved(
    computations: Mapping[Name, Callable[[], object]], rounds: int
) -> dict[Name, list[float] | Exception]:
    """Seconds of each run of each computation, interleaved; or why it failed."""
    results: dict[Name, list[float] | Exception] = {name: [] for name in computations}
    for name, outcome in interleave(computations, rounds):
        times = results[name]
        if isinstance(outcome, Exception):
            results[name] = outcome
        elif isinstance(times, list):
            times.append(outcome)
    return results


def matrix_product(threads: int) -> tuple[Callable[[], object], float]:
    """The computation that measures a machine's peak, and its arithmetic in GFLOP.

    It is onnxruntime's matrix product: numpy's is half as fast on processors that OpenBLAS does not know
    well.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    processor = onnxruntime.get_available_providers()[-1:]  # the CPU is always the last
    session = onnxruntime.InferenceSession(PRODUCT, options, providers=processor)
    matrix = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    return lambda: session.run(None, {"a": matrix, "b": matrix}), 2 * SIDE**3 / 1e9
