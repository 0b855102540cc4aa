"""Segmenter: a model file, opened. The only file that knows the runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from inference.command import InputError
from inference.contract import METADATA_KEY, Contract


class Segmenter:
    """Opens an exported model and applies it to batches.

    Args:
        path: model.onnx, as `make export` writes it.
        threads: cores that one batch is computed on; 0 is all of them.

    Raises:
        InputError: no such file, not a model, or a model without a contract.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such model file; give one that `make export` wrote")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that spin between batches take the cores that images are decoded on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors alone; they are raised too
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no public base class
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"{path}: onnxruntime cannot open it ({reason}); export it again"
            ) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise InputError(f"{path}: carries no contract; export it with `make export`")
        self.path = path
        self.contract = Contract.from_json(metadata[METADATA_KEY])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Segments a batch.

        Args:
            images: (N, S, S, 3) uint8 RGB, S the contract's size.

        Returns:
            (N, S, S) float32 probability of lesion, in [0, 1].
        """
        size = self.contract.size
        assert images.shape[1:] == (size, size, 3) and images.dtype == np.uint8, images.shape
        (probability,) = self._session.run(["probability"], {"image": images})
        return probability
