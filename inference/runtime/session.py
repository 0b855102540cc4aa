"""Segmenter: a model file, opened. The only file that knows the runtimes' names for their devices."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal, get_args

import numpy as np
import onnxruntime

from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError
from inference.runtime.ascend import AscendModel

Provider = Literal["auto", "cpu", "openvino", "cuda", "tensorrt", "cann"]
ONNXRUNTIME = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",  # builds its engine for minutes: never chosen by auto
    "cann": "CANNExecutionProvider",
}
AUTO: tuple[Provider, ...] = ("cuda", "cann", "openvino", "cpu")  # the first that opens
CURES = {
    "openvino": "pip install openvino",
    "cuda": "pip install onnxruntime-gpu instead of onnxruntime, and check the driver",
    "tensorrt": "pip install onnxruntime-gpu and tensorrt instead of onnxruntime",
    "cann": "pip install onnxruntime-cann instead of onnxruntime, and source CANN's set_env.sh",
}


class ProviderError(InputError):
    """The provider that was asked for is not to be had, or does not run this model."""


class Segmenter:
    """Opens an exported model and applies it to batches.

    Args:
        path: model.onnx, as `make export` writes it, or model.om with its model.json beside it.
        threads: cores that one batch is computed on; 0 is all of them.
        provider: what computes: cpu (onnxruntime), openvino (CPU too, mostly faster), cuda, tensorrt or
            cann (onnxruntime), or auto, the first of AUTO that opens the file. An .om runs on Ascend.

    Attributes:
        provider: what it became; never another than asked for.

    Raises:
        InputError: no such file, not a model, a model without a contract, or threads below 0.
        ProviderError: the provider is not installed, does not run this model, or onnxruntime put another
            in its place.
    """

    def __init__(self, path: Path, threads: int = 0, provider: Provider = "auto") -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such model file; give one that `make export` wrote")
        if provider not in get_args(Provider):
            raise InputError(
                f"--provider {provider}: must be one of {', '.join(get_args(Provider))}"
            )
        require_threads(threads)
        self.path = path
        self.provider: Provider
        self._compute: Callable[[np.ndarray], np.ndarray]
        if path.suffix == ".om":
            if provider not in ("auto", "cann"):
                raise ProviderError(
                    f"{path}: runs on Ascend alone, not on {provider}; give the .onnx"
                )
            model = AscendModel(path)
            self.provider, self._compute, self.contract = "cann", model, model.contract
            return
        for choice in AUTO if provider == "auto" else (provider,):
            try:
                opened = open_with(choice, path, threads)
                break
            except ProviderError:
                if provider != "auto":
                    raise
        self.provider, (self._compute, contract) = choice, opened
        if contract is None:
            raise InputError(f"{path}: carries no contract; export it with `make export`")
        self.contract = Contract.from_json(contract)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Segments a batch.

        Args:
            images: (N, S, S, 3) uint8 RGB, S the contract's size.

        Returns:
            (N, S, S) float32 probability of lesion, in [0, 1].
        """
        size = self.contract.size
        assert images.shape[1:] == (size, size, 3) and images.dtype == np.uint8, images.shape
        return self._compute(images)


Opened = tuple[Callable[[np.ndarray], np.ndarray], "str | None"]  # the model, its contract


def require_threads(threads: int) -> None:
    """Raises InputError for a number of cores that no model can be opened with."""
    if threads < 0:
        raise InputError(f"--threads {threads}: at least 0; leave it out")


def installed_providers() -> list[Provider]:
    """The providers whose package is there; whether the device is too shows when a model is opened."""
    names = set(onnxruntime.get_available_providers())
    found: list[Provider] = [name for name in AUTO if ONNXRUNTIME.get(name) in names]
    return [*found, "openvino"] if find_spec("openvino") else found


def open_with(provider: Provider, path: Path, threads: int) -> Opened:
    """Opens a file with one provider and no other."""
    if provider == "openvino":
        return open_openvino(path, threads)
    return open_onnxruntime(path, threads, provider)


def open_onnxruntime(path: Path, threads: int, provider: Provider) -> Opened:
    """Opens a file with onnxruntime.

    Where a provider fails, onnxruntime takes the CPU with a warning at most, and it lists providers whose
    libraries are missing: what the session has at last is what counts.
    """
    name = ONNXRUNTIME[provider]
    if name not in onnxruntime.get_available_providers():
        raise ProviderError(f"--provider {provider}: is not installed; {CURES[provider]}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin between batches take the cores that images are decoded on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors alone; they are raised too
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[name])
    except Exception as error:  # onnxruntime's errors have no public base class
        reason = str(error).strip().splitlines()[-1]
        kind, cure = (
            (InputError, "export it with `make export`")
            if provider == "cpu"
            else (ProviderError, CURES[provider])
        )
        raise kind(
            f"{path}: onnxruntime cannot open it on {provider} ({reason}); {cure}"
        ) from error
    if session.get_providers()[0] != name:
        raise ProviderError(
            f"--provider {provider}: onnxruntime fell back to {session.get_providers()[0]}; "
            f"{CURES[provider]}"
        )

    def compute(images: np.ndarray) -> np.ndarray:
        return session.run(["probability"], {"image": images})[0]

    return compute, session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)


def open_openvino(path: Path, threads: int) -> Opened:
    """Opens a file with OpenVINO on the CPU.

    A model compiled for one batch size runs up to 1.4 times as fast as one for any, and compiling takes
    well under a second, so each size that occurs is compiled: one image at once, which shows whether
    OpenVINO runs the model at all.
    """
    try:
        openvino = import_module("openvino")
    except ImportError as error:
        raise ProviderError(
            f"--provider openvino: is not installed; {CURES['openvino']}"
        ) from error
    core = openvino.Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # or it takes bfloat16 where the CPU has it
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # pinned threads wait for whoever else runs on their core
        **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
    }

    def compile_for(shape: tuple[int, ...]) -> Any:
        model.reshape(list(shape))
        return core.compile_model(model, "CPU", options).create_infer_request()

    try:
        model = core.read_model(path)
        one = (1, *(side.get_length() for side in list(model.input().partial_shape)[1:]))
        requests = {one: compile_for(one)}
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ProviderError(
            f"{path}: OpenVINO cannot open it ({reason}); try --provider cpu, or export it with "
            "`make export`"
        ) from error
    key = ["framework", METADATA_KEY]
    contract = model.get_rt_info(key).astype(str) if model.has_rt_info(key) else None
    one_at_a_time = Lock()  # a request serves one thread; onnxruntime's sessions serve many

    def compute(images: np.ndarray) -> np.ndarray:
        with one_at_a_time:
            if images.shape not in requests:
                requests[images.shape] = compile_for(images.shape)
            # The result is copied: the request writes the next one to the same place.
            return requests[images.shape].infer([images], share_inputs=True)[0]

    return compute, contract
