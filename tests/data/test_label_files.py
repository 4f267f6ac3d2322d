"""Pseudo-label files of every kind are trained on, or refused with a sentence that says why."""

import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from tests.pseudo_labels import SIDE, encode, tiny_config, write_label_file

from zipseg.data.records import training_records
from zipseg.engine.trainer import Trainer
from zipseg.utils.errors import ConfigError, ImageError, ZipSegError


def edited(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    return path


def train(cfg):
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    return trainer


def test_a_file_is_a_data_set_with_its_vocabulary_and_scores(label_file, tiny):
    cfg = tiny()
    metadata = MetadataCatalog.get(str(label_file))
    assert metadata.thing_classes == ["square", "disc"]
    assert metadata.thing_dataset_id_to_contiguous_id == {3: 0, 8: 1}
    records = DatasetCatalog.get(str(label_file))
    assert records == DatasetCatalog.get(str(label_file))  # the kept first reading, and another
    assert [a["score"] for a in records[0]["annotations"]] == [0.9, 0.4]
    batch = next(iter(Trainer.build_train_loader(cfg)))
    for entry in batch:
        scores = dict(
            zip(
                entry["instances"].gt_classes.tolist(),
                entry["instances"].gt_scores.tolist(),
                strict=True,
            )
        )
        assert scores == pytest.approx({0: 0.9, 1: 0.4})


def test_several_files_and_registered_sets_train_together(tmp_path, tiny):
    other = write_label_file(tmp_path / "other", images=2)
    cfg = tiny()
    cfg.DATASETS.TRAIN = (*cfg.DATASETS.TRAIN, str(other))
    assert len(training_records(tiny())) == 6
    tiny("DATASETS.TEST", f"('{other}',)")
    assert len(training_records(cfg)) == 8


def test_another_vocabulary_is_refused(tmp_path, tiny):
    categories = [{"id": 3, "name": "square"}, {"id": 8, "name": "circle"}]
    other = write_label_file(tmp_path / "other", 2, categories=categories)
    cfg = tiny("DATASETS.TEST", f"('{other}',)")
    with pytest.raises(ConfigError, match=r"DATASETS.TEST: .*from name 2 on \('disc', 'circle'\)"):
        Trainer(cfg)


MISTAKES = {
    "no such file": (["DATASETS.TRAIN", "('/none/labels.json',)"], "DATASETS.TRAIN: '/none/labels"),
    "no such data set": (["DATASETS.TRAIN", "('none',)"], "DATASETS.TRAIN: 'none' is neither"),
    "nothing to train on": (["DATASETS.TRAIN", "()"], "DATASETS.TRAIN: is empty"),
    "wrong number of classes": (["MODEL.ROI_HEADS.NUM_CLASSES", "80"], "set it to 2"),
    "polygons asked for": (["INPUT.MASK_FORMAT", "polygon"], "INPUT.MASK_FORMAT: .*'bitmask'"),
    "no images there": (["TRAINING.IMAGE_ROOT", "/none"], "TRAINING.IMAGE_ROOT: .*0.png.*/none"),
    "unknown sampler": (["DATALOADER.SAMPLER_TRAIN", "None"], "DATALOADER.SAMPLER_TRAIN"),
    "no batch": (["SOLVER.IMS_PER_BATCH", "0"], "SOLVER.IMS_PER_BATCH"),
    "class-agnostic AP": (
        ["TRAINING.CLASS_AGNOSTIC", "True", "MODEL.ROI_HEADS.NUM_CLASSES", "1"],
        "EVALUATION.PROTOCOLS",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_explained(mistake, tiny):
    options, reason = MISTAKES[mistake]
    with pytest.raises(ConfigError, match=reason):
        Trainer(tiny(*options))


def test_images_without_labels_are_left_out_or_trained_on(tmp_path, label_file, tiny):
    def empty(content):
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] > 4]

    edited(label_file, empty)
    assert len(training_records(tiny())) == 2
    every = ("DATALOADER.FILTER_EMPTY_ANNOTATIONS", "False")
    assert len(training_records(tiny(*every))) == 6
    train(tiny(*every, "TRAINING.DROP_LOSS.ENABLED", "True"))


def test_categories_never_seen(label_file, tiny):
    edited(label_file, lambda c: c["categories"].append({"id": 9, "name": "never"}))
    train(tiny("MODEL.ROI_HEADS.NUM_CLASSES", "3", "SOLVER.MAX_ITER", "1"))


def test_missing_scores_count_as_one(label_file, tiny):
    edited(label_file, lambda c: [a.pop("score") for a in c["annotations"]])
    trainer = train(tiny("TRAINING.SCORE_WEIGHTS.ENABLED", "True", "SOLVER.MAX_ITER", "1"))
    assert next(iter(trainer.data_loader))[0]["instances"].gt_scores.tolist() == [1.0, 1.0]


def test_scores_in_percent_are_refused(label_file, tiny):
    edited(label_file, lambda c: c["annotations"][3].update(score=87))
    with pytest.raises(ConfigError, match=r"DATASETS.TRAIN: .*score of 87"):
        training_records(tiny())


def empty_mask(annotation):
    annotation["segmentation"] = encode(np.zeros((SIDE, SIDE)))


def flat_box(annotation):
    annotation["bbox"] = [5.0, 5.0, 0.0, 9.0]


def no_mask(annotation):
    del annotation["segmentation"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (empty_mask, "with an empty mask"),
        (flat_box, "with a box without area"),
        (no_mask, "without a mask"),
    ],
)
def test_unusable_labels_are_left_out_and_counted(spoil, reason, label_file, tiny, caplog):
    edited(label_file, lambda c: [spoil(a) for a in c["annotations"][:3]])
    assert sum(len(r["annotations"]) for r in training_records(tiny())) == 9
    assert f"3 labels are not trained on: {reason}" in caplog.text
    edited(label_file, lambda c: [spoil(a) for a in c["annotations"] if len(a) == 8])
    with pytest.raises(ConfigError, match=f"no label to train on .*{reason}"):
        training_records(tiny())


def test_crowds_are_counted_where_some_or_all_are(label_file, tiny, caplog):
    edited(label_file, lambda c: [a.update(iscrowd=1) for a in c["annotations"][:5]])
    training_records(tiny())
    assert "5 labels are not trained on: marked as crowds" in caplog.text
    edited(label_file, lambda c: [a.update(iscrowd=1) for a in c["annotations"]])
    with pytest.raises(ConfigError, match=r"no label to train on \(12 marked as crowds"):
        training_records(tiny())


def test_boxes_that_contradict_their_masks_are_warned_of(label_file, tiny, caplog):
    def corners(annotation):
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x, y, x + w, y + h]

    edited(label_file, lambda c: [corners(a) for a in c["annotations"] if a["category_id"] == 8])
    tiny()
    assert "the boxes of 6 of 12 annotations with masks contradict these" in caplog.text
    assert "6 would fit as x1, y1, x2, y2" in caplog.text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_ends_training_with_the_message_alone(workers, label_file, tiny, caplog):
    label_file.with_name("5.png").write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        train(tiny("SOLVER.MAX_ITER", "6", "DATALOADER.NUM_WORKERS", str(workers)))
    path = label_file.with_name("5.png")
    assert str(caught.value).startswith(f"{path}: cannot be decoded")
    assert "Traceback" not in str(caught.value)
    assert not [record for record in caplog.records if record.exc_info]


def test_polygons_and_a_missing_image_file(tmp_path, label_file, tiny):
    def change(content):
        for annotation in content["annotations"]:
            annotation["segmentation"] = [[5, 5, 30, 5, 30, 30, 5, 30]]
        content["images"][5]["file_name"] = "gone.png"

    edited(label_file, change)
    with pytest.raises(ZipSegError, match=r"gone.png: no such file"):
        train(tiny("SOLVER.MAX_ITER", "6"))


def test_lvis_names_its_images_by_url(tmp_path):
    labels = write_label_file(tmp_path / "labels", 1)
    edited(
        labels,
        lambda c: c["images"][0].update(
            coco_url=f"http://x/labels/{c['images'][0].pop('file_name')}"
        ),
    )
    cfg = tiny_config(labels, tmp_path, "TRAINING.IMAGE_ROOT", str(tmp_path))
    assert training_records(cfg)[0]["file_name"] == str(tmp_path / "labels" / "0.png")


def test_the_ignore_band_marks_and_drops(tiny):
    band = ("TRAINING.IGNORE_BAND.LOW", "0.2", "TRAINING.IGNORE_BAND.HIGH", "0.5")
    entry = next(iter(Trainer.build_train_loader(tiny(*band))))[0]["instances"]
    assert entry.gt_ignore.tolist() == [False, True]
    low = ("TRAINING.IGNORE_BAND.LOW", "0.5", "TRAINING.IGNORE_BAND.HIGH", "0.8")
    entry = next(iter(Trainer.build_train_loader(tiny(*low))))[0]["instances"]
    assert entry.gt_classes.tolist() == [0]


def test_a_class_agnostic_detector_trains(tiny):
    one = ["TRAINING.CLASS_AGNOSTIC", "True", "MODEL.ROI_HEADS.NUM_CLASSES", "1"]
    one += ["EVALUATION.PROTOCOLS", "('class_agnostic',)", "SOLVER.MAX_ITER", "1"]
    trainer = train(tiny(*one))
    assert trainer.classes == ("object",)
