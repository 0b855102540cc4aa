from inference.extras import require

require("train", "torch")
