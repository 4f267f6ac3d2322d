"""The shipped weights: whole, small, and good at what their cards say."""

import hashlib
import json

import numpy as np
import open_clip
import pytest
import torch
from safetensors import safe_open

from zipseg.utils.errors import ConfigError, ZipSegError
from zipseg.zipworld import networks as embedded
from zipseg.zipworld.networks import loading
from zipseg.zipworld.networks.architectures import ARCHITECTURES, FOLDER, PARTS
from zipseg.zipworld.pretraining.augmentation import clip_batch
from zipseg.zipworld.pretraining.monitors import sam_metrics
from zipseg.zipworld.pretraining.scenes import SceneBank
from zipseg.zipworld.scenes import render_scene

FILES = [FOLDER / f"{name}.safetensors" for name in PARTS.values()]


def test_checksums_are_those_of_the_files():
    sums = json.loads((FOLDER / "checksums.json").read_text())
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}


def test_files_are_small_half_precision_and_have_a_card():
    sizes = [path.stat().st_size for path in FILES]
    assert max(sizes) <= 12e6
    assert sum(sizes) <= 25e6
    for path in FILES:
        with safe_open(path, "pt") as file:
            matrices = [k for k in file.keys() if len(file.get_slice(k).get_shape()) > 1]  # noqa: SIM118
            assert {file.get_slice(k).get_dtype() for k in matrices} == {"F16"}
        card = path.with_suffix(".md").read_text()
        for word in ("Data", "Cost", "Seed", "Command", "Limits", "metric"):
            assert word in card


@pytest.mark.parametrize("part", ["vit", "resnet"])
def test_clip_names_the_colour_of_a_scene(part):
    model, tokenizer = embedded.embedded_clip(part)
    assert isinstance(model, open_clip.CLIP)
    assert not model.training
    colours = ["red", "yellow", "green", "blue", "purple", "white"]
    text = model.encode_text(
        tokenizer([f"a photo of a {c} cushion." for c in colours]), normalize=True
    )
    right = 0
    for seed in range(16_200_000, 16_200_020):
        scene = render_scene(seed)
        image = model.encode_image(clip_batch(scene.image[None], 128, None), normalize=True)
        right += (image @ text.T).argmax().item() in {c // 6 for c in scene.categories.tolist()}
    assert right >= 17


def test_an_unknown_word_and_a_long_text_are_harmless():
    model, tokenizer = embedded.embedded_clip("vit")
    texts = ["a photo of a giraffe", "", "very " * 100 + "long", "日本"]
    assert torch.isfinite(model.encode_text(tokenizer(texts))).all()


def test_sam_segments_what_a_box_encloses(tmp_path):
    scenes = SceneBank(tmp_path, range(16_200_000, 16_200_004))
    scenes.ensure(np.arange(4))
    with torch.no_grad():
        assert sam_metrics(embedded.embedded_sam(), scenes)["box_iou"] > 0.5


def test_architectures_are_known_to_open_clip_by_name(monkeypatch):
    for path in ARCHITECTURES:
        open_clip.add_model_config(path)
        assert path.stem in open_clip.list_models()
        tokenizer = open_clip.get_tokenizer(path.stem)
        ours = loading.build_tokenizer(path.stem)
        assert torch.equal(tokenizer(["a red cushion"]), ours(["a red cushion"]))


def test_other_architectures_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"SOME\.KEY.*zipworld-vit"):
        embedded.load_embedded_clip("ViT-B-16", "SOME.KEY")
    with pytest.raises(ConfigError, match=r"SOME\.KEY.*vit_h"):
        embedded.load_embedded_sam("vit_h", "SOME.KEY")
    with pytest.raises(KeyError):
        embedded.embedded_clip("sam3")


def test_missing_or_damaged_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    with pytest.raises(ZipSegError, match="zipworld-sam"):
        loading.read_weights("zipworld-sam")
    (tmp_path / "zipworld-sam.safetensors").write_bytes(FILES[2].read_bytes()[:-1])
    with pytest.raises(ZipSegError, match="damaged"):
        loading.read_weights("zipworld-sam")
