PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m

DATA ?= data
RAW ?= ISIC2018
RUN_FOLDER ?=
MODEL ?=
SOC_VERSION ?= auto
ARGS ?=

# A path may have blanks in it; of several paths, none may.
quote = '$(subst ','\'',$(1))'
path = $(if $(word 2,$(1))$(findstring ',$(1)),$(quote),$(1))
paths = $(if $(shell [ -e $(quote) ] && echo yes),$(quote),$(1))
data = $(call path,$(DATA))
raw = $(call path,$(RAW))

.DEFAULT_GOAL := help
.PHONY: help setup demo tour test soak lint check docs prepare train train-folds weights export segment evaluate reproduce int8 om web app bench doctor npu-shell

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.venv/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e '.[jpeg]'
	@touch $@

.venv/installed: .venv/base
	$(PIP) -e '.[jpeg,heic,dicom,train,imagenet,export,openvino,app,dev,docs]'
	@touch $@

setup: .venv/installed  ## create .venv and install the project with everything it needs

demo: .venv/base  ## segment sample images with the shipped model, into demo/; no PyTorch needed
	rm -rf demo
	$(RUN) inference.segment app/examples --output demo --save mask overlay csv sheet
	@echo "see demo/sheet.jpg; masks and overlays are in demo/, sizes in demo/measures.csv"

tour: .venv/installed  ## the whole pipeline on synthetic images, into tour/; takes about two minutes
	rm -rf tour
	$(RUN) training.synthesize tour/raw --images 160
	$(RUN) training.prepare tour/raw tour/data --size 96
	$(RUN) training.train --data tour/data --out tour/run --width 8 --size 96 --epochs 10 --batch-size 8
	$(RUN) export.to_onnx tour/run/best.pt tour/model.onnx
	$(RUN) inference.segment tour/data/test --model tour/model.onnx --output tour/masks --save mask overlay sheet
	$(RUN) inference.evaluate tour/data/test tour/data/test_GT --model tour/model.onnx
	@echo "see tour/masks/sheet.jpg and tour/run/curves.png"

test: .venv/installed  ## run the tests, in two processes
	$(RUN) pytest -n2 --dist=worksteal $(ARGS)

soak: .venv/installed  ## stress test: 10,000 images, 1 % of them broken; nothing is lost, memory stays flat
	SOAK_IMAGES=10000 $(RUN) pytest tests/inference/batch/test_soak.py $(ARGS)

lint: .venv/installed  ## check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## lint and test

docs: .venv/installed  ## build the documentation into build/docs; links and anchors are checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

prepare: .venv/installed  ## check, split and cache the data set in RAW, into DATA
	$(RUN) training.prepare $(raw) $(data) $(ARGS)

train: .venv/installed  ## train on DATA, into RUN_FOLDER or runs/latest
	$(RUN) training.train --data $(data) --out $(call path,$(or $(RUN_FOLDER),runs/latest)) $(ARGS)

FOLDS ?= 5
folds = $(shell seq 0 $$(($(FOLDS) - 1)))
train-folds: .venv/installed  ## cross-validation on DATA, after make prepare ARGS='--folds 5': FOLDS networks, into runs/fold-0 ...
	for fold in $(folds); do $(RUN) training.train --data $(data) --fold $$fold --out runs/fold-$$fold $(ARGS) || exit; done
	$(RUN) training.compare $(folds:%=runs/fold-%)

# As Ascend ModelZoo does; its four scripts in test/ are these. On a CPU: ARGS='--device cpu'.
EPOCHS ?=
NODES ?= 1
ADDR ?=
number = $(shell echo '$*' | grep -x '[1-9][0-9]*')
devices = $(or $(number),$(error make $@: the number of devices must be 1 or more, as in make train-8p))
on-devices = PYTHON=$(BIN)/python NODES=$(NODES) ADDR=$(ADDR) test/train.sh $(devices)

train-%p: .venv/installed  ## train on % devices, 150 epochs or EPOCHS, into runs/%p-full; NODES and ADDR for more machines
	$(on-devices) full $(or $(EPOCHS),150) --data $(data) $(ARGS)

perf-%p: .venv/installed  ## training speed on % devices: 10 epochs or EPOCHS, into runs/%p-perf
	$(on-devices) perf $(or $(EPOCHS),10) --data $(data) $(ARGS)

# The newest run, but for those that only measured speed.
newest = $(shell ls -t runs/*/best.pt 2>/dev/null | grep -v '^runs/[0-9]*p-perf' | head -1 | sed 's|/best.pt$$||')
runs = $(if $(wildcard runs/*), (there are $(notdir $(wildcard runs/*))))
trained = $(or $(RUN_FOLDER),$(newest),$(error no trained network in runs/$(runs); run make train, or give RUN_FOLDER=folder))
# The file that export writes, and int8 and om read; other commands use the shipped model without MODEL.
onnx = $(or $(MODEL),model.onnx)
chosen = $(if $(MODEL),--model $(call paths,$(MODEL)))

export: .venv/installed  ## best.pt of RUN_FOLDER or the newest run -> MODEL or model.onnx, verified against PyTorch
	$(RUN) export.to_onnx $(call path,$(trained))/best.pt $(call path,$(onnx)) $(ARGS)

segment: .venv/base  ## segment IMAGES (files or folders) with the shipped model or MODEL, into masks/
	$(RUN) inference.segment $(call paths,$(IMAGES)) $(chosen) $(ARGS)

evaluate: .venv/base  ## score the shipped model or MODEL on the test images of DATA
	$(RUN) inference.evaluate $(data)/test $(data)/test_GT $(chosen) $(ARGS)

reproduce: .venv/base  ## score the shipped models on images of RAW they never saw, beside published scores
	$(RUN) inference.reproduce $(raw)/ISIC2018_Task1-2_Training_Input $(raw)/ISIC2018_Task1_Training_GroundTruth $(ARGS)

# DATA holds the crops and the whole frames (training.prepare --also).
lesions = $(RUN) training.train --data $(data) --arch attunet_lite0 --width 12 --opt-level O1 $(ARGS)
wide = --size 192 --augmentation wide --opt-level O0
lite2 = $(lesions) --arch attunet_lite2 --width 16 $(wide) --lr 1e-3
teacher = $(lite2) --init runs/lite2/best.pt --epochs 28 --batch-size 64
student = $(lesions) --init runs/mean.pt $(wide) --epochs 14 --batch-size 64 --lr 1e-3 --teachers $(foreach n,1 2 3,runs/teacher$(n)/best.pt)
weights: .venv/installed  ## train the shipped model on DATA; half an hour on a GPU, most of a day on a CPU
	$(lesions) --out runs/128 --init imagenet --size 128 --epochs 20 --lr 1e-3
	$(lesions) --out runs/192 --init runs/128/best.pt --size 192 --epochs 18 --lr 5e-4
	$(lesions) --out runs/wide --init runs/192/best.pt $(wide) --epochs 8 --lr 5e-4
	$(lesions) --out runs/wide1 --init runs/192/best.pt $(wide) --epochs 8 --lr 5e-4 --seed 1
	$(RUN) export.average runs/192/best.pt runs/wide/best.pt runs/wide1/best.pt --out runs/mean.pt
	$(lite2) --out runs/lite2 --init imagenet --epochs 8
	$(teacher) --out runs/teacher1 --seed 1
	$(teacher) --out runs/teacher2 --seed 2
	$(teacher) --out runs/teacher3 --seed 3
	$(student) --out runs/student0
	$(student) --out runs/student1 --teacher-share 0.75 --seed 1
	$(student) --out runs/student2 --teacher-share 1 --seed 2
	$(RUN) export.average runs/192/best.pt $(foreach n,0 1 2,runs/student$(n)/best.pt) --out runs/attunet_lite0.pt

int8: .venv/installed  ## MODEL or model.onnx -> -int8.onnx, calibrated and checked on the validation images of DATA
	$(RUN) export.to_int8 $(call path,$(onnx)) $(call path,$(onnx:.onnx=-int8.onnx)) --images $(data)/valid --masks $(data)/valid_GT $(ARGS)

om: .venv/installed  ## MODEL or model.onnx -> .om for the Ascend chip SOC_VERSION
	$(RUN) export.to_om $(call path,$(onnx)) $(call path,$(onnx:.onnx=.om)) --soc-version $(SOC_VERSION) $(ARGS)

web: .venv/base  ## write a page that runs the shipped model, or MODEL, in the browser, into build/web
	$(RUN) export.to_web build/web $(chosen) $(ARGS)

app: .venv/installed  ## open the demo in the browser, with the shipped models or MODEL
	$(RUN) app $(chosen) $(ARGS)

bench: .venv/base  ## measure the speed of the shipped models, or of MODEL
	$(RUN) inference.benchmark $(chosen) $(ARGS)

doctor: .venv/base  ## check this machine, and say how to fix what does not work
	$(RUN) inference.doctor $(chosen) $(ARGS)

DOCKER ?= docker
NPU_IMAGE ?= attention-unet-npu
npus = $(wildcard /dev/davinci[0-9] /dev/davinci[0-9][0-9])
npu-shell:  ## a shell in NPU_IMAGE (docker build --target npu) with this machine's NPUs and driver
	$(DOCKER) run --rm -it $(addprefix --device ,$(npus) /dev/davinci_manager /dev/devmm_svm /dev/hisi_hdc) \
	  --group-add $$(stat -c %g /dev/davinci_manager) --shm-size 16g \
	  -v /usr/local/dcmi:/usr/local/dcmi:ro -v /usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
	  -v /usr/local/Ascend/driver:/usr/local/Ascend/driver:ro \
	  -v /etc/ascend_install.info:/etc/ascend_install.info:ro \
	  -v '$(CURDIR)':/mnt -w /mnt $(NPU_IMAGE) bash
