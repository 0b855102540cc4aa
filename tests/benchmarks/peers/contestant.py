"""One of the peers, in the peers' own environment: nothing of ours is imported.

Weights are random: only speed is measured. The loops are those of the libraries' own documentation, with
two favours: threads share the decoding and writing, and photos are resized bilinearly, which is fast.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ["YOLO_OFFLINE"] = "true"

import cv2
import numpy as np
import torch

WARM_UP = 16  # photos
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Compute = Callable[[np.ndarray], np.ndarray]  # (N, 3, S, S) float32 -> (N, 1, S, S) logits


def make_unet(encoder: str) -> torch.nn.Module:
    from segmentation_models_pytorch import Unet

    return Unet(encoder, encoder_weights=None, classes=1)


def make_attention_unet() -> torch.nn.Module:
    from monai.networks.nets import AttentionUnet

    return AttentionUnet(2, 3, 1, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2))


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "smp Unet resnet34": partial(make_unet, "resnet34"),
    "smp Unet efficientnet_lite0": partial(make_unet, "tu-efficientnet_lite0"),
    "MONAI AttentionUnet": make_attention_unet,
}
YOLO = "ultralytics yolo26n-sem"


def open_network(
    network: torch.nn.Module, engine: str, size: int, threads: int, batch: int, folder: Path
) -> tuple[Compute, float]:
    """The network on an engine, and the megabytes of its file; 0 for torch's."""
    example = torch.zeros(batch, 3, size, size)
    if engine == "torch":

        @torch.inference_mode()
        def compute(images: np.ndarray) -> np.ndarray:
            return network(torch.from_numpy(images)).numpy()

        return compute, 0.0
    if engine == "onnxruntime":
        import onnxruntime

        path = folder / "peer.onnx"
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "N"}},
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda images: session.run(None, {"image": images})[0], path.stat().st_size / 1e6
    import openvino

    converted = openvino.convert_model(network, example_input=example)
    path = folder / "peer.xml"
    openvino.save_model(converted, path, compress_to_fp16=False)
    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads})
    return lambda images: compiled(images)[0], path.with_suffix(".bin").stat().st_size / 1e6


def read_photo(path: Path, size: int) -> tuple[np.ndarray, int, int]:
    stored = cv2.imread(str(path))
    assert stored is not None, path
    image = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
    small = cv2.resize(image, (size, size)).astype(np.float32) / 255
    return ((small - MEAN) / STD).astype(np.float32).transpose(2, 0, 1), *image.shape[:2]


def write_mask(path: Path, mask: np.ndarray) -> None:
    cv2.imwrite(str(path), mask.astype(np.uint8) * 255)


def segment_photos(
    compute: Compute, photos: list[Path], masks: Path, size: int, threads: int, batch: int
) -> None:
    """Photos to mask files, in batches."""

    def finish(logits: np.ndarray, path: Path, height: int, width: int) -> None:
        write_mask(masks / f"{path.stem}.png", cv2.resize(logits, (width, height)) > 0)

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(photos), batch):
            paths = photos[start : start + batch]
            pixels, heights, widths = zip(*pool.map(lambda path: read_photo(path, size), paths))
            logits = compute(np.stack(pixels))[:, 0]
            list(pool.map(finish, logits, paths, heights, widths))


def open_yolo(engine: str, size: int, batch: int, folder: Path) -> tuple[Any, float, float]:
    """A YOLO of two classes, its parameters in millions, and the megabytes of its file; 0 for torch's."""
    import ultralytics

    plain = Path(ultralytics.__file__).parent / "cfg/models/26/yolo26-sem.yaml"
    described = folder / "yolo26n-sem.yaml"
    described.write_text(plain.read_text(encoding="utf-8").replace("nc: 19", "nc: 2"))
    model = ultralytics.YOLO(described)
    millions = sum(weight.numel() for weight in model.model.parameters()) / 1e6
    if engine == "torch":
        return model, millions, 0.0
    model.save(folder / "peer.pt")
    kind = {"onnxruntime": "onnx", "openvino": "openvino"}[engine]
    options = {"imgsz": size, "dynamic": True, "batch": batch, "verbose": False}
    path = Path(ultralytics.YOLO(folder / "peer.pt").export(format=kind, **options))
    files = [path] if path.is_file() else list(path.rglob("*.bin"))
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return ultralytics.YOLO(path, task="semantic"), millions, megabytes


def segment_with_yolo(
    model: Any, photos: list[Path], masks: Path, size: int, threads: int, batch: int
) -> None:
    """The same by the library's own predict."""
    options = {"imgsz": size, "batch": batch, "device": "cpu", "verbose": False, "stream": True}
    with ThreadPoolExecutor(threads) as pool:
        for result in model.predict([str(path) for path in photos], **options):
            mask = np.asarray(result.semantic_mask.data) == 1
            pool.submit(write_mask, masks / f"{Path(result.path).stem}.png", mask)


def open_peer(
    name: str, engine: str, size: int, threads: int, batch: int, folder: Path
) -> tuple[Callable[[list[Path], Path], None], dict[str, float]]:
    """How the peer segments photos into a folder, and what it is."""
    if name == YOLO:
        model, millions, megabytes = open_yolo(engine, size, batch, folder)
        go = partial(segment_with_yolo, model, size=size, threads=threads, batch=batch)
    else:
        network = NETWORKS[name]().eval()
        millions = sum(weight.numel() for weight in network.parameters()) / 1e6
        compute, megabytes = open_network(network, engine, size, threads, batch, folder)
        go = partial(segment_photos, compute, size=size, threads=threads, batch=batch)
    return go, {"millions": round(millions, 2), "MB": round(megabytes, 1)}


def answer(
    go: Callable[[list[Path], Path], None], photos: list[Path], masks: Path
) -> Iterator[float]:
    """The seconds of a pass, for each line on stdin."""
    for _ in sys.stdin:
        start = time.perf_counter()
        go(photos, masks)
        yield time.perf_counter() - start


def main(
    name: str, engine: str, size: str, threads: str, batch: str, photos: str, masks: str
) -> None:
    """Prints what it is as a line of JSON, and then the seconds of a pass for each line on stdin."""
    torch.set_num_threads(int(threads))
    said, sys.stdout = sys.stdout, sys.stderr  # libraries print
    with tempfile.TemporaryDirectory() as folder:
        go, facts = open_peer(name, engine, int(size), int(threads), int(batch), Path(folder))
        files = sorted(Path(photos).glob("*.jpg"))
        go(files[:WARM_UP], Path(masks))
        print(json.dumps(facts), file=said, flush=True)
        for seconds in answer(go, files, Path(masks)):
            print(seconds, file=said, flush=True)
