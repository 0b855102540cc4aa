"""Opens one model file with one of the providers."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, get_args

import numpy as np

from inference.contract import METADATA_KEY, Contract
from inference.errors import InputError, naming
from inference.files import is_text
from inference.runtime.ascend import AscendModel
from inference.runtime.integrity import check_output, require_signature, verify_digest
from inference.runtime.providers import AUTO, ONNXRUNTIME, PROVIDER_HINTS, Provider
from inference.runtime.tta import Compute


class Opened(NamedTuple):
    """A model file that a runtime has opened.

    Attributes:
        contract: as JSON; None if the file has none.
        inputs, outputs: their names.
        sides: of the input, without the batch; one that is not an int can be any.
    """

    compute: Compute
    contract: str | None
    inputs: list[str]
    outputs: list[str]
    sides: list[object]


class ProviderError(InputError):
    """The provider that was asked for is not available, or cannot run this model."""


class Session(NamedTuple):
    """One open model file.

    Attributes:
        compute: (N, S, S, 3) uint8 RGB -> (N, S, S) float32 probability, S the contract's size.
        provider: what computes; never another than asked for.
    """

    compute: Compute
    contract: Contract
    provider: Provider


def open_session(path: Path, threads: int = 0, provider: Provider = "auto") -> Session:
    """Opens an exported model.

    Args:
        path: model.onnx, as `make export` writes it, or model.om with its model.json beside it.
        threads: cores that one batch is computed on; 0 is all of them.
        provider: what computes: cpu (onnxruntime), openvino (also on the CPU, mostly faster), cuda,
            tensorrt or cann (onnxruntime); auto tries AUTO in turn. An .om runs on Ascend alone.

    Raises:
        InputError: no such file, not a model, one that is damaged, without a contract or with other
            inputs and outputs than it says, or threads below 0.
        ProviderError: the provider is not installed, cannot run this model, or onnxruntime put another
            in its place.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file; give one that `make export` wrote")
    if provider not in get_args(Provider):
        raise InputError(f"--provider {provider}: must be one of {', '.join(get_args(Provider))}")
    require_threads(threads)
    if path.suffix == ".om":
        return open_om(path, provider)
    verify_digest(path)
    for choice in AUTO if provider == "auto" else (provider,):
        try:
            opened = open_with(choice, path, threads)
            break
        except ProviderError:
            if provider != "auto":
                raise
    if opened.contract is None:
        raise InputError(f"{path}: has no contract; export it with `make export`")
    with naming(path):
        contract = Contract.from_json(opened.contract)
    require_signature(path, opened.inputs, opened.outputs, opened.sides, contract.size)
    return Session(check_output(path, opened.compute), contract, choice)


def require_threads(threads: int) -> None:
    """Raises InputError for a negative number of threads."""
    if threads < 0:
        raise InputError(f"--threads {threads}: must be at least 0; leave it out to use all cores")


def installed_providers() -> list[Provider]:
    """The providers whose package is installed; whether the device works shows when a model is opened."""
    import onnxruntime

    names = set(onnxruntime.get_available_providers())
    found: list[Provider] = [name for name in AUTO if ONNXRUNTIME.get(name) in names]
    return [*found, "openvino"] if find_spec("openvino") else found


def open_om(path: Path, provider: Provider) -> Session:
    """Opens an Ascend model."""
    if provider not in ("auto", "cann"):
        raise ProviderError(f"{path}: runs only on Ascend, not on {provider}; give the .onnx file")
    model = AscendModel(path)
    return Session(check_output(path, model), model.contract, "cann")


def open_with(provider: Provider, path: Path, threads: int) -> Opened:
    """Opens a file with one provider and no other."""
    if provider == "openvino":
        return open_openvino(path, threads)
    return open_onnxruntime(path, threads, provider)


def open_onnxruntime(path: Path, threads: int, provider: Provider) -> Opened:
    """Opens a file with onnxruntime.

    Where a provider fails, onnxruntime falls back to the CPU with a warning at most, and it lists
    providers whose libraries are missing: only what the session ends up with counts.
    """
    import onnxruntime  # not at the top: training uses the stream, and needs no runtime

    name = ONNXRUNTIME[provider]
    if name not in onnxruntime.get_available_providers():
        raise ProviderError(f"--provider {provider}: is not installed; {PROVIDER_HINTS[provider]}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin between batches take the cores that images are decoded on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only; they are raised too
    try:
        # It opens no names but text.
        model = path if is_text(str(path)) else path.read_bytes()
        session = onnxruntime.InferenceSession(model, options, providers=[name])
    except Exception as error:  # onnxruntime's errors have no public base class
        reason = str(error).strip().splitlines()[-1]
        kind, hint = (
            (InputError, "export it with `make export`")
            if provider == "cpu"
            else (ProviderError, PROVIDER_HINTS[provider])
        )
        raise kind(
            f"{path}: onnxruntime cannot open it on {provider} ({reason}); {hint}"
        ) from error
    if session.get_providers()[0] != name:
        raise ProviderError(
            f"--provider {provider}: onnxruntime fell back to {session.get_providers()[0]}; "
            f"{PROVIDER_HINTS[provider]}"
        )

    def compute(images: np.ndarray) -> np.ndarray:
        return session.run(["probability"], {"image": images})[0]

    inputs, outputs = session.get_inputs(), session.get_outputs()
    return Opened(
        compute,
        session.get_modelmeta().custom_metadata_map.get(METADATA_KEY),
        [each.name for each in inputs],
        [each.name for each in outputs],
        list(inputs[0].shape[1:]) if inputs else [],
    )


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
            f"--provider openvino: is not installed; {PROVIDER_HINTS['openvino']}"
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

    inputs = [each.any_name for each in model.inputs]
    outputs = [each.any_name for each in model.outputs]
    return Opened(compute, contract, inputs, outputs, list(one[1:]))
