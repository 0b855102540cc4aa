"""From an exported model and images to masks: numpy, OpenCV and onnxruntime, nothing else of ours."""

import os

# A few hundred bytes can claim to be an image of any size. 2**28 pixels are 805 MB in RGB; no camera
# takes so many. OpenCV reads the limit when it is loaded, so it is set before anything imports cv2.
_limit = os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))
_number = _limit.rstrip("KkMmBb")
MAX_PIXELS = int(_number) * {"": 1, "kb": 2**10, "mb": 2**20}[_limit[len(_number) :].lower()]
