"""Every config of self-training and label-efficient fine-tuning loads, and each detector trains on
the real photographs."""

import json
from pathlib import Path

import pytest
from pycocotools import mask as mask_util
from tests.pseudo_labels import CONFIGS

from zipseg.data.label_files import register_label_files
from zipseg.engine.schedule import follow_batch_size
from zipseg.engine.setup import load_config
from zipseg.engine.trainer import Trainer
from zipseg.modeling.detectors.checks import check_parts
from zipseg.utils.errors import ConfigError

FILES = sorted(
    path
    for folder in ("SelfTraining", "LabelEfficient")
    for path in (CONFIGS / folder).glob("*")
    if path.stem != "Base-R50"  # holds no detector yet
)


def load(path: Path, *options):
    if "centernet2" in path.name:
        pytest.importorskip("centernet")
    return load_config(str(path), list(options))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_configs_load_and_their_parts_are_served(path):
    every = ["TRAINING.DROP_LOSS.ENABLED", "True", "TRAINING.SCORE_WEIGHTS.ENABLED", "True"]
    every += ["TRAINING.IGNORE_BAND.HIGH", "0.5", "TRAINING.COPY_PASTE.PROBABILITY", "0.5"]
    check_parts(load(path, *every))
    plain = load(path)
    assert follow_batch_size(plain) == plain
    training = plain.TRAINING
    assert not training.DROP_LOSS.ENABLED
    assert not training.SCORE_WEIGHTS.ENABLED
    assert training.IGNORE_BAND.HIGH == training.COPY_PASTE.PROBABILITY == training.EMA.DECAY == 0


def test_the_shipped_configs_are_few():
    shipped = [p for p in CONFIGS.rglob("*.yaml") if "experiments" not in p.parts]
    assert len(shipped) < 30


def coco_labels(photographs: Path) -> dict:
    """Annotations of four photographs, their polygons made RLE as pseudo-labels have them."""
    content = json.loads((photographs / "annotations" / "instances_train2017.json").read_text())
    kept = {image["id"]: image for image in content["images"][:4]}
    annotations = [a for a in content["annotations"] if a["image_id"] in kept and not a["iscrowd"]]
    for annotation in annotations:
        image = kept[annotation["image_id"]]
        size = image["height"], image["width"]
        rle = mask_util.merge(mask_util.frPyObjects(annotation["segmentation"], *size))
        annotation["segmentation"] = {"size": list(size), "counts": rle["counts"].decode()}
        annotation["score"] = 0.5
    return {**content, "images": list(kept.values()), "annotations": annotations}


def lvis_labels(photographs: Path) -> dict:
    """The same in LVIS's format: 1,203 categories, images by URL, federated lists of categories."""
    content = coco_labels(photographs)
    images = [
        {k: image[k] for k in ("id", "height", "width")}
        | {"coco_url": f"http://images.cocodataset.org/train2017/{image['file_name']}"}
        | {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
        for image in content["images"]
    ]
    categories = [
        {"id": i, "name": f"name_{i}", "synonyms": [f"name_{i}"], "frequency": "r"}
        for i in range(1, 1204)
    ]
    return {"images": images, "annotations": content["annotations"], "categories": categories}


@pytest.mark.parametrize("detector", ["mask_rcnn", "centernet2"])
@pytest.mark.parametrize(("data", "make"), [("COCO", coco_labels), ("LVIS", lvis_labels)])
def test_detectors_train_on_photographs(data, make, detector, photographs, tmp_path):
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(make(photographs)))
    root = photographs / "train2017" if data == "COCO" else photographs
    small = {
        "MODEL.WEIGHTS": "",
        "MODEL.DEVICE": "cpu",
        "DATASETS.TRAIN": f"('{labels}',)",
        "DATASETS.TEST": "()",
        "TRAINING.IMAGE_ROOT": str(root),
        "TRAINING.REFERENCE_BATCH_SIZE": "0",
        "SOLVER.REFERENCE_WORLD_SIZE": "0",
        "SOLVER.IMS_PER_BATCH": "2",
        "SOLVER.MAX_ITER": "2",
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": "16",
        "SOLVER.BASE_LR": "1e-4",
        "DATALOADER.NUM_WORKERS": "0",
        "INPUT.MIN_SIZE_TRAIN": "(64,)",
        "OUTPUT_DIR": str(tmp_path / "out"),
        "SEED": "1",
    }
    path = CONFIGS / "SelfTraining" / f"{data}_{detector}_R50_FPN.yaml"
    cfg = load(path, *[word for pair in small.items() for word in pair])
    register_label_files(cfg)
    trainer = Trainer(cfg)
    trainer.checkpointer.save_to_disk = False  # half a gigabyte
    trainer.train()
    assert trainer.iter == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.DEVIC", "cpu"], "MODEL.DEVIC: no such key; did you mean MODEL.DEVICE?"),
        (["MODEL.NONE.AT_ALL", "1"], "MODEL.NONE.AT_ALL: no such key; MODEL has "),
        (["SOLVER.MAX_ITER", "many"], "SOLVER.MAX_ITER: 'many' is of type str, expected int"),
    ],
)
def test_options_that_do_not_fit_are_said_by_their_key(options, message):
    with pytest.raises(ConfigError) as error:
        load_config("Test/zip_tiny_random.yaml", options)
    assert str(error.value).startswith(message)


def test_keys_of_a_file_that_do_not_fit_are_said_with_the_file(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("MODEL: {ZIP: {SEGMENTR: {WEIGHTS: auto}}}")
    with pytest.raises(ConfigError, match=r"own\.yaml: MODEL\.ZIP\.SEGMENTR: no such key; did you"):
        load_config(str(path))
