PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m

DATA ?= data
RUN_FOLDER ?= runs/latest
MODEL ?=
SOC_VERSION ?= auto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo tour test soak lint check prepare train weights export segment evaluate reproduce int8 om bench app doctor

help:  ## what you can do here
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.venv/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

.venv/installed: .venv/base
	$(PIP) -e '.[train,imagenet,export,openvino,app,dev]'
	@touch $@

setup: .venv/installed  ## make .venv and install the project with all it needs

demo: .venv/base  ## segment sample images with the model that ships, into demo/; no PyTorch needed
	rm -rf demo
	$(RUN) inference.segment app/examples --output demo --save mask overlay csv sheet
	@echo "look at demo/sheet.jpg; masks and overlays are in demo/, sizes in demo/measures.csv"

tour: .venv/installed  ## walk the whole line on made-up images, in about two minutes, into tour/
	rm -rf tour
	$(RUN) training.synthesize tour/raw --images 160
	$(RUN) training.prepare tour/raw tour/data --size 96
	$(RUN) training.train --data tour/data --out tour/run --width 8 --size 96 --epochs 10 --batch-size 8
	$(RUN) export.to_onnx tour/run/best.pt tour/model.onnx
	$(RUN) inference.segment tour/data/test --model tour/model.onnx --output tour/masks --save mask overlay sheet
	$(RUN) inference.evaluate tour/data/test tour/data/test_GT --model tour/model.onnx
	@echo "look at tour/masks/sheet.jpg and tour/run/curves.png"

test: .venv/installed  ## run the tests
	$(RUN) pytest $(ARGS)

soak: .venv/installed  ## segment 10,000 images, 1 % of them broken: nothing lost, memory flat
	SOAK_IMAGES=10000 $(RUN) pytest tests/inference/batch/test_soak.py $(ARGS)

lint: .venv/installed  ## check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## lint, types, tests

prepare: .venv/installed  ## RAW=folder: check, split and cache a data set into DATA
	$(RUN) training.prepare $(RAW) $(DATA) $(ARGS)

train: .venv/installed  ## train on DATA into RUN_FOLDER
	$(RUN) training.train --data $(DATA) --out $(RUN_FOLDER) $(ARGS)

# Ascend ModelZoo's runs: N devices, 16 images each, learning rate in proportion. On CPU: ARGS='--device cpu'.
EPOCHS ?=
RECIPE ?= reference
NODES ?= 1
ADDR ?= localhost:0
on-devices = $(BIN)/torchrun --nnodes $(NODES) --nproc-per-node $* --rdzv-backend c10d --rdzv-endpoint $(ADDR) \
	-m training.train --data $(DATA) --recipe $(RECIPE) --batch-size $$(($* * $(NODES) * 16)) \
	--lr $$(awk 'BEGIN { print $* * $(NODES) * 2e-4 }') --amp

train-%p: .venv/installed  ## train on % devices (NODES=, ADDR=), 150 epochs or EPOCHS, into runs/%p-full
	$(on-devices) --epochs $(or $(EPOCHS),150) --out runs/$*p-full $(ARGS)

perf-%p: .venv/installed  ## images/s on % devices, 10 epochs or EPOCHS, into runs/%p-perf
	$(on-devices) --epochs $(or $(EPOCHS),10) --out runs/$*p-perf $(ARGS)

# What export, int8 and om work on; the other commands use the model that ships unless MODEL is given.
exported = $(or $(MODEL),model.onnx)
chosen = $(if $(MODEL),--model $(MODEL))
export: .venv/installed  ## RUN_FOLDER/best.pt -> MODEL or model.onnx, verified
	$(RUN) export.to_onnx $(RUN_FOLDER)/best.pt $(exported) $(ARGS)

segment: .venv/base  ## IMAGES=files or folders -> masks, with MODEL
	$(RUN) inference.segment $(IMAGES) $(chosen) $(ARGS)

evaluate: .venv/base  ## score MODEL on DATA's test images
	$(RUN) inference.evaluate $(DATA)/test $(DATA)/test_GT $(chosen) $(ARGS)

RAW ?= ISIC2018
reproduce: .venv/base  ## published scores and the shipped model's, measured now on RAW's images that it never saw
	$(RUN) inference.reproduce $(RAW)/ISIC2018_Task1-2_Training_Input $(RAW)/ISIC2018_Task1_Training_GroundTruth $(ARGS)

# The model that ships was trained on DATA with the whole frames (training.prepare --also).
lesions = $(RUN) training.train --data $(DATA) --arch attunet_lite0 --width 12 --opt-level O1 $(ARGS)
weights: .venv/installed  ## train the model that ships: two hours on a CPU
	$(lesions) --out runs/128 --init imagenet --size 128 --epochs 20 --lr 1e-3
	$(lesions) --out runs/192 --init runs/128/best.pt --size 192 --epochs 18 --lr 5e-4

int8: .venv/installed  ## MODEL -> model-int8.onnx, calibrated and measured on DATA's validation images
	$(RUN) export.to_int8 $(exported) $(exported:.onnx=-int8.onnx) --images $(DATA)/valid --masks $(DATA)/valid_GT $(ARGS)

om: .venv/installed  ## MODEL -> model.om for the Ascend chip SOC_VERSION
	$(RUN) export.to_om $(exported) $(exported:.onnx=.om) --soc-version $(SOC_VERSION) $(ARGS)

app: .venv/installed  ## open the demo in the browser, with MODEL
	$(RUN) app $(chosen) $(ARGS)

bench: .venv/base  ## the speed of the model that ships, or of MODEL
	$(RUN) inference.benchmark $(chosen) $(ARGS)

doctor: .venv/base  ## what works on this machine, and what mends the rest; MODEL too
	$(RUN) inference.doctor $(chosen) $(ARGS)
