"""python segment_acl.py model.om model.json photo.jpg mask.png: on an Ascend NPU, with CANN's pyACL.

For an OM of a static batch of one, as `export.to_om` writes it together with model.json. No NPU has run
this program; a stand-in for pyACL has.
"""

import json
import sys

import acl
import cv2
import numpy as np

TO_DEVICE, TO_HOST = 1, 2  # kinds of acl.rt.memcpy


def check(answer):
    """The value of an acl call, which answers a status or (value, status)."""
    value, status = answer if isinstance(answer, tuple) else (None, answer)
    if status:
        raise RuntimeError(f"acl error {status}; see CANN's log")
    return value


def allocate(size):
    """A data set of one buffer on the device, and the buffer's address."""
    address = check(acl.rt.malloc(size, 0))
    dataset = acl.mdl.create_dataset()
    check(acl.mdl.add_dataset_buffer(dataset, acl.create_data_buffer(address, size)))
    return dataset, address


model, sidecar, photo, target = sys.argv[1:]
with open(sidecar, encoding="utf-8") as file:
    contract = json.load(file)["contract"]
size = contract["size"]

image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
height, width = image.shape[:2]
small = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
data = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).tobytes()
answer = 4 * size * size  # bytes of float32

check(acl.init())
check(acl.rt.set_device(0))
network = check(acl.mdl.load_from_file(model))
inputs, source = allocate(len(data))
outputs, result = allocate(answer)
host = check(acl.rt.malloc_host(answer))
check(acl.rt.memcpy(source, len(data), acl.util.bytes_to_ptr(data), len(data), TO_DEVICE))
check(acl.mdl.execute(network, inputs, outputs))
check(acl.rt.memcpy(host, answer, result, answer, TO_HOST))

probability = np.frombuffer(acl.util.ptr_to_bytes(host, answer), np.float32).reshape(size, size)
lesion = cv2.resize(probability, (width, height)) > contract["threshold"]
cv2.imwrite(target, np.uint8(lesion) * 255)  # segment.py shows the clean-up
