"""A stand-in for pyACL and a model on it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np

SIZE = 16


def redness(images: np.ndarray) -> np.ndarray:
    assert images.dtype == np.uint8 and images.shape[1:] == (SIZE, SIZE, 3)
    return (images[..., 0] / 255).astype(np.float32)


class Device:
    """A stand-in of pyACL: memory is a table of byte arrays, a model the function `redness`.

    Args:
        dynamic: whether the batch is chosen at each call.
        room: images that the model's buffers hold.
    """

    def __init__(self, dynamic: bool, room: int = 4) -> None:
        self.memory: dict[int, bytearray] = {}
        self.batch = self.room = room
        self.dynamic = dynamic
        self.failing = ""
        self.initialised = False
        self.slow = 0.0  # seconds
        self.ran: list[int] = []
        self.rt = SimpleNamespace(
            set_device=lambda device: self.answer("set_device"),
            malloc=lambda size, policy: (self.allocate(bytearray(size)), self.answer("malloc")),
            malloc_host=lambda size: (self.allocate(bytearray(size)), 0),
            memcpy=self.memcpy,
        )
        self.util = SimpleNamespace(
            bytes_to_ptr=lambda data: self.allocate(bytearray(data)),
            ptr_to_bytes=lambda pointer, size: bytes(self.memory[pointer][:size]),
        )
        self.mdl = SimpleNamespace(
            load_from_file=lambda path: (7, self.answer("load_from_file")),
            create_desc=lambda: "description",
            get_desc=lambda description, model: 0,
            get_num_inputs=lambda description: 2 if dynamic else 1,
            get_num_outputs=lambda description: 1,
            get_input_size_by_index=lambda description, index: (room * SIZE * SIZE * 3, 4)[index],
            get_output_size_by_index=lambda description, index: room * SIZE * SIZE * 4,
            create_dataset=list,
            add_dataset_buffer=self.add_buffer,
            get_input_index_by_name=self.find_input,
            set_dynamic_batch_size=self.set_batch,
            execute=self.execute,
        )

    def init(self) -> int:
        if self.initialised:
            return 100002
        self.initialised = True
        return self.answer("init")

    def answer(self, call: str) -> int:
        return 107001 if call == self.failing else 0

    def allocate(self, data: bytearray) -> int:
        self.memory[len(self.memory) + 1] = data
        return len(self.memory)

    def create_data_buffer(self, pointer: int, size: int) -> tuple[int, int]:
        return pointer, size

    def add_buffer(self, dataset: list, buffer: tuple[int, int]) -> tuple[list, int]:
        dataset.append(buffer)
        return dataset, 0

    def memcpy(self, to: int, room: int, source: int, count: int, kind: int) -> int:
        assert count <= room and kind in (1, 2)
        self.memory[to][:count] = self.memory[source][:count]
        return 0

    def find_input(self, description: str, name: str) -> tuple[int, int]:
        assert name == "ascend_mbatch_shape_data"
        return 1, 0

    def set_batch(self, model: int, inputs: list, index: int, batch: int) -> int:
        assert self.dynamic and index == 1 and batch in (1, 2, 4)
        self.batch = batch
        return 0

    def execute(self, model: int, inputs: list, outputs: list) -> int:
        assert model == 7
        time.sleep(self.slow)
        pixels = np.frombuffer(self.memory[inputs[0][0]], np.uint8).reshape(
            self.room, SIZE, SIZE, 3
        )
        result = redness(pixels[: self.batch]).tobytes()
        self.memory[outputs[0][0]][: len(result)] = result
        self.ran.append(self.batch)
        return self.answer("execute")
