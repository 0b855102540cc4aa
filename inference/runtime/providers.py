"""What can compute a model: the only file that knows the runtimes' names for their devices.

It imports no runtime, so that every command can name the providers and doctor can say why one is broken.
"""

from __future__ import annotations

from typing import Literal

Provider = Literal["auto", "cpu", "openvino", "cuda", "tensorrt", "cann"]
ONNXRUNTIME = {  # its names for them
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",  # builds its engine for minutes: never chosen by auto
    "cann": "CANNExecutionProvider",
}
AUTO: tuple[Provider, ...] = ("cuda", "cann", "openvino", "cpu")  # the first that opens
PROVIDER_HINTS = {
    "openvino": "pip install openvino",
    "cuda": "pip install onnxruntime-gpu instead of onnxruntime, and check the driver",
    "tensorrt": "pip install onnxruntime-gpu and tensorrt instead of onnxruntime",
    "cann": "pip install onnxruntime-cann instead of onnxruntime, and source CANN's set_env.sh",
}
