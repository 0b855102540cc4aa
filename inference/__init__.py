"""From an exported model and images to masks: numpy, OpenCV and onnxruntime, nothing else of ours."""

import os

# A few hundred bytes can claim to be an image of any size. 2**28 pixels are 805 MB in RGB; no camera
# takes so many. OpenCV reads the limit when it is loaded, so it is set before anything imports cv2.
MOST_PIXELS = 2**28
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
