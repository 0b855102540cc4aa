"""Ascend models (.om): opened through ais_bench, or through the acl that comes with CANN.

An OM cannot carry metadata, so its contract is in MODEL.json beside it. No device has run this file yet:
the tests run it with stand-ins for both packages.
"""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from inference.cann import source_cann
from inference.contract import Contract
from inference.errors import InputError, naming

DYNAMIC_BATCH_INPUT = (
    "ascend_mbatch_shape_data"  # ATC's name for the input that takes the batch size
)
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
REPEAT_INITIALIZE = 100002  # what acl.init returns for every further model of a process


class OmSession(Protocol):
    """Runs an OM on batches of a size that it was built for."""

    def infer(self, images: np.ndarray, dynamic: bool) -> np.ndarray: ...


class AscendModel:
    """An .om file, opened on the first Ascend device.

    Raises:
        InputError: no model.json beside model.om, one of another file, or neither ais_bench nor acl is
            installed.
    """

    def __init__(self, path: Path) -> None:
        sidecar = path.with_suffix(".json")
        if not sidecar.is_file():
            raise InputError(f"{sidecar}: is missing; export.to_om writes it beside {path.name}")
        try:
            entries = json.loads(sidecar.read_text(encoding="utf-8"))
            with naming(sidecar):
                self.contract = Contract.from_json(json.dumps(entries["contract"]))
            self.batches = read_batches(entries["batches"])
            digest = entries.get("om_sha256")  # earlier releases did not write it
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{sidecar}: not a sidecar that export.to_om wrote; convert {path.name} again"
            ) from error
        if digest is not None and digest != hashlib.sha256(path.read_bytes()).hexdigest():
            raise InputError(
                f"{path}: damaged, or not the file that {sidecar.name} was written for; copy both again, "
                "or convert it again"
            )
        self._session = open_om_session(path)
        self._one_at_a_time = Lock()  # a session has one set of buffers

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 -> (N, S, S) float32, in batches that the model was built for."""
        with self._one_at_a_time:
            return self._compute(images)

    def _compute(self, images: np.ndarray) -> np.ndarray:
        results = []
        largest = self.batches[-1]
        for start in range(0, len(images), largest):
            part = images[start : start + largest]
            batch = next(size for size in self.batches if size >= len(part))
            filled = np.concatenate((part, np.repeat(part[-1:], batch - len(part), axis=0)))
            result = self._session.infer(np.ascontiguousarray(filled), len(self.batches) > 1)
            if result.size != filled[..., 0].size:
                raise InputError(
                    f"the OM returns {result.size} values for {filled.shape[:3]} images: "
                    "its sidecar belongs to another model; convert it again"
                )
            results.append(result.reshape(batch, *images.shape[1:3])[: len(part)])
        return np.concatenate(results).astype(np.float32)


def read_batches(entry: Any) -> list[int]:
    """Batch sizes of a sidecar in order; raises ValueError for what is none."""
    if not isinstance(entry, list) or not entry or not all(type(n) is int and n > 0 for n in entry):
        raise ValueError(f"batches {entry!r}")
    return sorted(entry)


def open_om_session(path: Path) -> OmSession:
    """Opens an OM with ais_bench or, where that is not installed, with acl."""
    for module, kind in (("ais_bench.infer.interface", AisBenchSession), ("acl", AclSession)):
        try:
            package = import_module(module)
        except ImportError:
            continue
        return kind(package, path)
    raise InputError(
        f"{path}: needs ais_bench or acl; {source_cann()}, or install ais_bench from Ascend's tools "
        "repository"
    )


class AisBenchSession:
    """An OM in ais_bench."""

    def __init__(self, package: Any, path: Path) -> None:
        self._session = package.InferSession(0, str(path))

    def infer(self, images: np.ndarray, dynamic: bool) -> np.ndarray:
        mode = "dymbatch" if dynamic else "static"
        return self._session.infer(feeds=[images], mode=mode)[0]


class AclSession:
    """An OM in pyACL: one model, whose buffers on the device are reused by all calls."""

    def __init__(self, acl: Any, path: Path) -> None:
        self._acl = acl
        if (status := acl.init()) != REPEAT_INITIALIZE:
            check(status, "acl.init")
        check(acl.rt.set_device(0), "acl.rt.set_device")
        self._model = check(acl.mdl.load_from_file(str(path)), "acl.mdl.load_from_file")
        self._description = acl.mdl.create_desc()
        check(acl.mdl.get_desc(self._description, self._model), "acl.mdl.get_desc")
        mdl = acl.mdl
        self._inputs, (self._image, *_) = self._allocate(
            mdl.get_num_inputs(self._description), mdl.get_input_size_by_index
        )
        self._outputs, (self._result, *_) = self._allocate(
            mdl.get_num_outputs(self._description), mdl.get_output_size_by_index
        )
        self._host = check(acl.rt.malloc_host(self._result[1]), "acl.rt.malloc_host")

    def _allocate(self, count: int, size_of: Any) -> tuple[Any, list[tuple[int, int]]]:
        """Allocates a data set of device buffers: (data set, (pointer, bytes) of each)."""
        dataset = self._acl.mdl.create_dataset()
        buffers = []
        for index in range(count):
            size = size_of(self._description, index)
            pointer = check(self._acl.rt.malloc(size, 0), "acl.rt.malloc")
            buffer = self._acl.create_data_buffer(pointer, size)
            check(self._acl.mdl.add_dataset_buffer(dataset, buffer), "acl.mdl.add_dataset_buffer")
            buffers.append((pointer, size))
        return dataset, buffers

    def infer(self, images: np.ndarray, dynamic: bool) -> np.ndarray:
        acl = self._acl
        check(acl.rt.set_device(0), "acl.rt.set_device")  # per thread
        data = images.tobytes()
        size = 4 * int(np.prod(images.shape[:3]))
        pointer, room = self._image
        if len(data) > room or size > self._result[1]:
            raise InputError(
                f"the OM takes {room} bytes, not {len(data)}: its sidecar belongs to another model; "
                "convert it again"
            )
        source = acl.util.bytes_to_ptr(data)
        check(acl.rt.memcpy(pointer, room, source, len(data), HOST_TO_DEVICE), "acl.rt.memcpy")
        if dynamic:
            name = DYNAMIC_BATCH_INPUT
            index = check(acl.mdl.get_input_index_by_name(self._description, name), name)
            arguments = (self._model, self._inputs, index, len(images))
            check(acl.mdl.set_dynamic_batch_size(*arguments), "acl.mdl.set_dynamic_batch_size")
        check(acl.mdl.execute(self._model, self._inputs, self._outputs), "acl.mdl.execute")
        check(
            acl.rt.memcpy(self._host, size, self._result[0], size, DEVICE_TO_HOST), "acl.rt.memcpy"
        )
        return np.frombuffer(acl.util.ptr_to_bytes(self._host, size), np.float32)


def check(answer: Any, call: str) -> Any:
    """The value of an acl call, which answers `status` or `(value, status)`; raises if it failed."""
    value, status = answer if isinstance(answer, tuple) else (None, answer)
    if status != 0:
        raise InputError(f"{call}: failed with Ascend error {status}; see CANN's log (plog)")
    return value
