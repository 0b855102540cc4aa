"""python segment.py model.onnx photo.jpg mask.png

pip install numpy opencv-python-headless onnxruntime
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime

model, photo, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
contract = json.loads(session.get_modelmeta().custom_metadata_map["contract"])
size = contract["size"]

image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
height, width = image.shape[:2]
small = cv2.resize(image, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
square = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)

(probability,) = session.run(["probability"], {"image": square[None]})
lesion = cv2.resize(probability[0], (width, height)) > contract["threshold"]

if contract["largest_region"] and lesion.any():
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(lesion), connectivity=8)
    lesion = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
if contract["fill_holes"]:  # background that does not reach the edge of the image
    background = np.pad(~lesion, 1, constant_values=True)
    _, labels = cv2.connectedComponents(np.uint8(background), connectivity=4)
    lesion = (labels != labels[0, 0])[1:-1, 1:-1]

cv2.imwrite(target, np.uint8(lesion) * 255)
