from inference.extras import require

require("train", "matplotlib", "tensorboard")
