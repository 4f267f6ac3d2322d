# Set-up, tests and the demo: each is one command on a fresh clone.
#   PYTHON      the interpreter that .venv is made with (3.11 or later)
#   VENV        an environment to use instead of .venv, e.g. VENV=$$VIRTUAL_ENV
#   DETECTRON2  a folder or pip requirement to install detectron2 from; when empty, the one the
#               environment has, or else the pinned archive of 'zipseg install-detectron2'
PYTHON ?= python3
VENV ?= .venv
DETECTRON2 ?=
WORKERS ?= 2

RUN := $(VENV)/bin/python
RECIPE := setup.py projects/ZipSeg/zipseg/cli/install_detectron2.py
STAMP := $(VENV)/.zipseg-$(shell (cat $(RECIPE); echo "$(DETECTRON2)") | cksum | cut -d ' ' -f 1)

.PHONY: setup test docs demo self-training benchmark lint format clean

setup: $(STAMP)

# The stamp comes last: a set-up cut short goes on where it was, a finished one is not repeated.
$(STAMP):
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): torch and the other requirements, a few minutes the first time"
	@$(RUN) -m pip install -qq --no-compile --editable '.[dev,train,cluster,docs,segmenters]'
	@$(RUN) -m zipseg install-detectron2 --cache .cache --from "$(DETECTRON2)"
	@$(RUN) -c 'import cv2, faster_coco_eval, lvis, open_clip, segment_anything, torchvision, zipseg'
	@rm -f $(VENV)/.zipseg-*
	@touch $@
	@echo "Ready: $(RUN)"

# One thread a worker: two workers with two threads each are several times slower on two cores. Each
# begins with a half of the files, so that few make what a file needs twice.
test: setup lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist worksteal

# The documentation in site/; a broken link or a docstring that cannot be shown is an error.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

demo: setup
	$(RUN) -m zipseg demo

# Everything in small: Zip labels 80 scenes, a detector trains on them, labels them again, and trains
# on what was merged; each is evaluated on 40 other scenes. It goes on where it was stopped.
self-training: setup
	OMP_NUM_THREADS=$(WORKERS) $(RUN) -m zipseg self-train --rounds 2 --num-ranks $(WORKERS) \
	    --config-file configs/SelfTraining/zipworld_miniature.yaml \
	    --zip-config configs/ZipWorld/zip_embedded.yaml \
	    --dataset zipworld_small --first-score 0.35 --first-overlap 0.5 --any-category \
	    --output output/self-training

benchmark: setup
	$(RUN) -m benchmarks

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/lint-imports

format: setup
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf .venv .cache build dist projects/ZipSeg/*.egg-info
