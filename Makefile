PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m

DATA ?= data
RUN_FOLDER ?= runs/latest
MODEL ?= model.onnx
SOC_VERSION ?= auto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo tour test soak lint check prepare train export segment evaluate int8 om bench app doctor

help:  ## what you can do here
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed  ## make .venv and install the project with all it needs

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,export,openvino,app,dev]'
	@touch $@

demo: tour  ## see it work

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
	SOAK_IMAGES=10000 $(RUN) pytest tests/inference/test_soak.py $(ARGS)

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

export: .venv/installed  ## RUN_FOLDER/best.pt -> MODEL, verified
	$(RUN) export.to_onnx $(RUN_FOLDER)/best.pt $(MODEL) $(ARGS)

segment: .venv/installed  ## IMAGES=files or folders -> masks, with MODEL
	$(RUN) inference.segment $(IMAGES) --model $(MODEL) $(ARGS)

evaluate: .venv/installed  ## score MODEL on DATA's test images
	$(RUN) inference.evaluate $(DATA)/test $(DATA)/test_GT --model $(MODEL) $(ARGS)

int8: .venv/installed  ## MODEL -> model-int8.onnx, calibrated and measured on DATA's validation images
	$(RUN) export.to_int8 $(MODEL) $(MODEL:.onnx=-int8.onnx) --images $(DATA)/valid --masks $(DATA)/valid_GT $(ARGS)

om: .venv/installed  ## MODEL -> model.om for the Ascend chip SOC_VERSION
	$(RUN) export.to_om $(MODEL) $(MODEL:.onnx=.om) --soc-version $(SOC_VERSION) $(ARGS)

app: .venv/installed  ## open the demo in the browser, with MODEL
	$(RUN) app --model $(MODEL) $(ARGS)

bench: .venv/installed  ## the speed of MODEL, in every runtime that is installed
	$(RUN) inference.benchmark --model $(MODEL) $(ARGS)

doctor: .venv/installed  ## what works on this machine, and what mends the rest; MODEL too, if it is there
	$(RUN) inference.doctor $(addprefix --model ,$(wildcard $(MODEL))) $(ARGS)
