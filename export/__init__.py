from inference.extras import require

require("export", "torch", "onnx")
