"""Same seed, same weights: twice, and killed and resumed; the schedule; the teacher."""

import json
import signal
import time

import pytest
import torch
from detectron2.engine import DefaultTrainer
from detectron2.utils.env import seed_all_rng
from tests.processes import command
from tests.pseudo_labels import TINY

from zipseg.engine.schedule import follow_batch_size, steps_within
from zipseg.engine.setup import load_config
from zipseg.engine.trainer import Trainer
from zipseg.utils.errors import ConfigError

TEACHER = ("TRAINING.EMA.DECAY", "0.8")


def train(cfg, resume=False):
    seed_all_rng(cfg.SEED)  # as default_setup does
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=resume)
    return trainer, trainer.train()


def saved(folder, name="model_final.pth"):
    return torch.load(folder / name, weights_only=True)


def same_weights(one, other):
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


@pytest.mark.parametrize("part", [(), TEACHER])
def test_resumed_training_ends_with_the_same_weights(part, tiny, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(tiny(*part, "OUTPUT_DIR", str(whole)))
    train(tiny(*part, "OUTPUT_DIR", str(stopped)))
    assert same_weights(saved(whole)["model"], saved(stopped)["model"])
    for name in ("model_final.pth", "model_0000003.pth"):
        (stopped / name).unlink(missing_ok=True)
    (stopped / "last_checkpoint").write_text("model_0000001.pth")
    trainer, _ = train(tiny(*part, "OUTPUT_DIR", str(stopped)), resume=True)
    assert trainer.start_iter == 2
    assert same_weights(saved(whole)["model"], saved(stopped)["model"])


def test_training_survives_kill_9(label_file, tmp_path):
    def words(output, *more):
        options = [*more, "DATASETS.TRAIN", f"('{label_file}',)", "OUTPUT_DIR", str(output)]
        options += ["SOLVER.MAX_ITER", "40", "SOLVER.CHECKPOINT_PERIOD", "5"]
        return ["train", "--config-file", TINY, *options]

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = command(words(killed), tmp_path / "log")
    while not (killed / "last_checkpoint").exists() and process.is_alive():
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (killed / "last_checkpoint").exists()
    assert not (killed / "model_final.pth").exists()
    for line in (words(killed, "--resume"), words(whole)):
        process = command(line, tmp_path / "log")
        process.join()
        assert process.exitcode == 0, (tmp_path / "log").read_text()
    assert same_weights(saved(whole)["model"], saved(killed)["model"])


def test_evaluation_and_metrics_during_training(label_file, tiny, tmp_path):
    cfg = tiny("DATASETS.TEST", f"('{label_file}',)", "TEST.EVAL_PERIOD", "2", *TEACHER)
    _, results = train(cfg)
    assert {"bbox", "segm"} <= set(results)
    assert (tmp_path / "out" / "inference" / "labels" / "coco_instances_results.json").exists()
    lines = (tmp_path / "out" / "metrics.json").read_text().splitlines()
    assert any("segm/AP" in json.loads(line) for line in lines)
    assert list((tmp_path / "out").glob("events.out.tfevents.*"))


def test_the_teacher_is_the_average_of_the_students(tiny, tmp_path):
    students = []

    class Recording(Trainer):
        def after_step(self):
            students.append({k: v.clone() for k, v in self.model.state_dict().items()})
            super().after_step()

    trainer = Recording(tiny(*TEACHER, "SOLVER.MAX_ITER", "3"))
    average = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.train()
    for iteration, student in enumerate(students):
        decay = min(0.8, (1 + iteration) / (10 + iteration))
        for name, value in student.items():
            if value.is_floating_point():
                average[name] = decay * average[name] + (1 - decay) * value
    content = saved(tmp_path / "out")
    for name, value in average.items():
        if value.is_floating_point():
            assert content["model"][name] == pytest.approx(value, rel=1e-5, abs=1e-6)
    assert same_weights(content["trainer"]["hooks"]["EmaTeacher"], students[-1])


def test_the_schedule_follows_the_batch_size():
    options = "TRAINING.REFERENCE_BATCH_SIZE 8 SOLVER.IMS_PER_BATCH 2 SOLVER.BASE_LR 0.04"
    options += " SOLVER.MAX_ITER 100 SOLVER.STEPS (60,80) SOLVER.WARMUP_ITERS 10"
    cfg = load_config(TINY, [*options.split(), "TEST.EVAL_PERIOD", "25"])
    scaled = follow_batch_size(cfg)
    assert scaled.SOLVER.IMS_PER_BATCH == 2
    assert pytest.approx(0.01) == scaled.SOLVER.BASE_LR
    assert (scaled.SOLVER.MAX_ITER, scaled.SOLVER.STEPS) == (400, (240, 320))
    assert (scaled.SOLVER.WARMUP_ITERS, scaled.TEST.EVAL_PERIOD) == (40, 100)
    assert follow_batch_size(scaled) is scaled
    # A batch that was asked for is that of all GPUs, and not scaled again for their number.
    cfg.SOLVER.REFERENCE_WORLD_SIZE = 8
    again = follow_batch_size(cfg)
    assert (again.SOLVER.IMS_PER_BATCH, again.SOLVER.REFERENCE_WORLD_SIZE) == (2, 0)
    assert again.SOLVER.MAX_ITER == 400
    cfg.TRAINING.REFERENCE_BATCH_SIZE = 0
    with pytest.raises(ConfigError, match=r"SOLVER.IMS_PER_BATCH: is 2"):
        follow_batch_size(cfg)


def test_two_images_on_one_gpu_with_a_config_for_eight(caplog):
    """What a newcomer with one GPU types first."""
    cfg = load_config("SelfTraining/COCO_mask_rcnn_R50_FPN.yaml", ["SOLVER.IMS_PER_BATCH", "2"])
    with caplog.at_level("INFO"):
        scaled = follow_batch_size(cfg)
    trained = DefaultTrainer.auto_scale_workers(scaled, 1)  # Detectron2's trainer does this next
    assert trained.SOLVER.IMS_PER_BATCH == 2
    assert pytest.approx(cfg.SOLVER.BASE_LR / 8) == trained.SOLVER.BASE_LR
    assert trained.SOLVER.MAX_ITER == 8 * cfg.SOLVER.MAX_ITER
    assert tuple(8 * step for step in cfg.SOLVER.STEPS) == trained.SOLVER.STEPS
    lines = [r.message for r in caplog.records if "batch_size=2" in r.message]
    assert len(lines) == 1


def test_steps_beyond_the_end_are_left_out_with_one_line(caplog):
    cfg = load_config(TINY, ["SOLVER.MAX_ITER", "10", "SOLVER.STEPS", "(5,10,60)"])
    assert steps_within(cfg).SOLVER.STEPS == (5,)
    (line,) = caplog.messages
    assert "SOLVER.STEPS (5, 10, 60) reach beyond SOLVER.MAX_ITER 10" in line
    assert steps_within(steps_within(cfg)).SOLVER.STEPS == (5,)


def test_a_decay_out_of_range_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"TRAINING.EMA.DECAY"):
        Trainer(tiny("TRAINING.EMA.DECAY", "1.0"))
