"""Failing images, stopped runs, and results that must not be mixed."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.labeling.corpus import IMAGES, png
from tests.labeling.fakes import PixelHashModel, fake_config, fake_run, without_date, write_images

from zipseg.labeling.errors import LabelingError, Rules, TooManyFailures
from zipseg.utils.errors import CannotWrite, ZipSegError

GOOD_IMAGES = ("grey.png", "palette.png", "alpha.png", "sixteen.png", "thin.png", "name äß 猫.png")


def write_good(folder: Path) -> None:
    Image.new("L", (9, 8), 3).save(folder / "grey.png")
    Image.new("P", (9, 8), 3).save(folder / "palette.png")
    Image.new("RGBA", (9, 8), (1, 2, 3, 4)).save(folder / "alpha.png")
    Image.fromarray(np.full((8, 9), 40000, np.uint16)).save(folder / "sixteen.png")
    Image.new("RGB", (700, 1), 3).save(folder / "thin.png")
    Image.new("RGB", (9, 8), 5).save(folder / "name äß 猫.png")


def test_bad_images_are_recorded_and_good_ones_labelled(tmp_path, caplog):
    images = tmp_path / "images"
    images.mkdir()
    for name, (content, _) in IMAGES.items():
        (images / name).write_bytes(content)
    (images / "folder.png").mkdir()
    (images / "dangling.png").symlink_to("nowhere")
    (images / os.fsdecode(b"latin\xe9.png")).write_bytes(png())
    write_good(images)
    (images / ".hidden.png").write_bytes(b"")
    (images / "notes.txt").write_text("not an image by its name")
    assert fake_run(images, tmp_path / "out", rules=Rules(min_failures=100)) == 0
    failures = json.loads((tmp_path / "out" / "failures.json").read_text())
    reasons = {f["file_name"]: f["reason"] for f in failures}
    for name, (_, reason) in IMAGES.items():
        assert reason in reasons.pop(name)
    assert not reasons
    assert "passed over: 1 hidden, 1 .txt, 1 links to nothing" in caplog.text
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert {image["file_name"] for image in labels["images"]} >= set(GOOD_IMAGES)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failures"] == len(failures)
    assert summary["images"] == len(labels["images"])


class Moody(PixelHashModel):
    """Raises what it is told to for images darker than a threshold."""

    error: Exception | None = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    def detect(self, image: dict):
        if self.error and image["image"].float().mean() < 1:
            raise self.error
        return super().detect(image)


def black(path: Path) -> None:
    Image.new("RGB", (12, 10)).save(path)


def test_failures_of_the_model_are_retried_on_demand(tmp_path):
    write_images(tmp_path / "images", 5)
    black(tmp_path / "images" / "black.png")
    model, output = Moody(fake_config()), tmp_path / "out"
    assert fake_run(tmp_path / "images", output, model) == 0
    (failure,) = json.loads((output / "failures.json").read_text())
    assert failure["file_name"] == "black.png"
    assert failure["reason"].startswith("RuntimeError: CUDA out of memory")
    model.error = None
    assert fake_run(tmp_path / "images", output, model) == 0
    assert len(json.loads((output / "failures.json").read_text())) == 1
    assert fake_run(tmp_path / "images", output, model, Rules(retry_failures=True)) == 0
    assert json.loads((output / "failures.json").read_text()) == []
    assert fake_run(tmp_path / "images", tmp_path / "plain", model) == 0
    assert without_date(output / "labels.json") == without_date(tmp_path / "plain" / "labels.json")


def test_too_many_failures_stop_the_run(tmp_path):
    write_images(tmp_path / "images", 10)
    for i in range(10):
        black(tmp_path / "images" / f"black{i}.png")
    rules = Rules(max_failures=0.1, min_failures=2)
    with pytest.raises(TooManyFailures, match=r"(?s)3 of 20 images failed.*--retry-failures"):
        fake_run(tmp_path / "images", tmp_path / "out", Moody(fake_config()), rules)
    assert fake_run(tmp_path / "images", tmp_path / "out", Moody(fake_config()), Rules()) == 0


def test_nothing_but_failures_is_an_error(tmp_path):
    (tmp_path / "images").mkdir()
    black(tmp_path / "images" / "black.png")
    with pytest.raises(TooManyFailures, match=r"failures\.json: all images failed"):
        fake_run(tmp_path / "images", tmp_path / "out", Moody(fake_config()))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_fail_the_image(value, tmp_path):
    class Broken(PixelHashModel):
        def detect(self, image):
            found = super().detect(image)
            found.scores = found.scores * 0 + value
            return found

    write_images(tmp_path / "images", 6)
    with pytest.raises(TooManyFailures):
        fake_run(tmp_path / "images", tmp_path / "out", Broken(fake_config()))
    failures = json.loads((tmp_path / "out" / "failures.json").read_text())
    assert failures
    assert all("not finite" in f["reason"] for f in failures)


def test_a_class_outside_of_the_vocabulary_stops_the_run(tmp_path):
    write_images(tmp_path / "images", 10)
    model = PixelHashModel(fake_config())
    model.classes = 80
    with pytest.raises(LabelingError, match=r"returned class \d+, but the vocabulary has 3 names"):
        fake_run(tmp_path / "images", tmp_path / "out", model)


def test_other_config_weights_or_images_refuse_to_mix_and_say_what_differs(tmp_path):
    images, output = tmp_path / "images", tmp_path / "out"
    write_images(images, 3)
    assert fake_run(images, output) == 0
    with pytest.raises(ZipSegError, match=r'config.INPUT.FORMAT: was "BGR", is now "RGB"'):
        fake_run(images, output, INPUT__FORMAT="RGB")
    other = PixelHashModel(fake_config())
    torch.nn.init.ones_(other.weight)
    with pytest.raises(ZipSegError, match=r"(?s)weights\.weight: was .* is now .*new --output"):
        fake_run(images, output, other)
    write_images(images, 4)
    with pytest.raises(ZipSegError, match=r"images\.count: was 3, is now 4"):
        fake_run(images, output)
    (images / "00003.png").unlink()
    (output / "run" / "provenance.json").write_text("{")
    with pytest.raises(ZipSegError, match=r"provenance\.json: damaged"):
        fake_run(images, output)


def test_a_result_that_is_lost_or_damaged_is_made_again(tmp_path):
    images, output = tmp_path / "images", tmp_path / "out"
    write_images(images, 6)
    assert fake_run(images, output) == 0
    before = without_date(output / "labels.json")
    (shard,) = (output / "run" / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(b"".join([*lines[:2], lines[2].replace(b"1", b"2"), *lines[4:]])[:-3])
    assert fake_run(images, output) == 0
    assert without_date(output / "labels.json") == before
    assert json.loads((output / "summary.json").read_text())["damaged_shard_lines"] == 2


def _on_a_full_disk(images: Path, output: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000))
    with pytest.raises(CannotWrite, match="free space"):
        fake_run(images, output)


def test_a_full_disk_loses_nothing_that_was_written(tmp_path):
    images = tmp_path / "images"
    write_images(images, 60)
    child = multiprocessing.get_context("fork").Process(
        target=_on_a_full_disk, args=(images, tmp_path / "out")
    )
    child.start()
    child.join()
    assert child.exitcode == 0
    assert any((tmp_path / "out" / "run" / "shards").iterdir())
    assert fake_run(images, tmp_path / "out") == 0
    assert fake_run(images, tmp_path / "plain") == 0
    assert without_date(tmp_path / "out" / "labels.json") == without_date(
        tmp_path / "plain" / "labels.json"
    )


def test_folders_that_cannot_be_written(tmp_path):
    write_images(tmp_path / "images", 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        fake_run(tmp_path / "images", tmp_path / "file")
    if os.geteuid() == 0:  # permissions do not bind root, a read-only mount does
        subprocess.run(["mkdir", tmp_path / "ro"], check=True)
        mounted = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path / "ro")]
        if subprocess.run(mounted, capture_output=True).returncode:
            pytest.skip("cannot mount a read-only file system here")
        try:
            with pytest.raises(CannotWrite, match="Read-only file system"):
                fake_run(tmp_path / "images", tmp_path / "ro" / "out")
        finally:
            subprocess.run(["umount", str(tmp_path / "ro")], check=True)
    else:
        (tmp_path / "ro").mkdir(mode=0o500)
        with pytest.raises(CannotWrite, match="Permission denied"):
            fake_run(tmp_path / "images", tmp_path / "ro" / "out")


@pytest.mark.parametrize("kind", ["missing", "empty", "no images"])
def test_folders_that_hold_nothing_to_label(kind, tmp_path):
    images = tmp_path / "images"
    if kind != "missing":
        images.mkdir()
        if kind == "no images":
            (images / "notes.txt").write_text("")
    with pytest.raises(ZipSegError, match="images: "):
        fake_run(images, tmp_path / "out")


def test_a_file_is_labelled_as_an_image(tmp_path):
    """Whatever it is called: it was named, not found in a folder."""
    (tmp_path / "images").write_bytes(png())
    assert fake_run(tmp_path / "images", tmp_path / "out") == 0
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [image["file_name"] for image in labels["images"]] == ["images"]
    (tmp_path / "nothing").write_bytes(b"")
    with pytest.raises(ZipSegError, match="all images failed"):
        fake_run(tmp_path / "nothing", tmp_path / "none")
    (failure,) = json.loads((tmp_path / "none" / "failures.json").read_text())
    assert "the file is empty" in failure["reason"]
