"""Prompt ensemble and its cache."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from zipseg.modeling.networks.clip_text import DEFAULT_TEMPLATES, TextEncoder
from zipseg.utils.errors import ConfigError

NAMES = ["cat", "red star", "自転車", "x" * 400, "50 % {odd} name"]


def test_ensemble_is_the_renormalised_mean_of_unit_embeddings(vit_clip, tokenizer):
    templates = ["a photo of a {}.", "the {}"]
    embedding = TextEncoder(vit_clip, tokenizer, "tiny", templates).encode(NAMES)
    for name, row in zip(NAMES, embedding, strict=True):
        total = torch.zeros(24)
        for template in templates:
            one = vit_clip.encode_text(tokenizer([template.replace("{}", name)]))[0]
            total += one / one.norm()
        expected = total / len(templates)
        torch.testing.assert_close(row, expected / expected.norm(), rtol=1e-4, atol=1e-5)


def test_the_default_is_the_85_templates_of_clip_surgery():
    assert len(set(DEFAULT_TEMPLATES)) == 85
    assert all(template.count("{}") == 1 for template in DEFAULT_TEMPLATES)
    assert {"a bad photo of a {}.", "there is a {} in the scene."} <= set(DEFAULT_TEMPLATES)


def test_a_template_without_a_place_for_the_name_is_refused(vit_clip, tokenizer):
    with pytest.raises(ConfigError, match=r"TEXT\.TEMPLATES: 'a photo'"):
        TextEncoder(vit_clip, tokenizer, "tiny", ["a photo"])


def test_cache_serves_the_second_call_and_survives_truncation(
    vit_clip, tokenizer, tmp_path, monkeypatch
):
    encoder = TextEncoder(vit_clip, tokenizer, "tiny", ["a {}"], str(tmp_path))
    first = encoder.encode(NAMES)
    (file,) = tmp_path.iterdir()
    calls = []
    encode = encoder._encode
    monkeypatch.setattr(encoder, "_encode", lambda names: calls.append(1) or encode(names))
    assert torch.equal(encoder.encode(NAMES), first)
    assert not calls
    file.write_bytes(file.read_bytes()[:20])
    assert torch.equal(encoder.encode(NAMES), first)
    assert calls == [1]
    assert torch.equal(encoder.encode(NAMES), first)
    assert calls == [1]


def test_cache_is_keyed_by_names_templates_and_weights(vit_clip, tokenizer, tmp_path):
    def files():
        return {path.name for path in tmp_path.iterdir()}

    one = TextEncoder(vit_clip, tokenizer, "tiny", ["a {}"], str(tmp_path))
    one.encode(["cat"])
    one.encode(["dog"])
    TextEncoder(vit_clip, tokenizer, "tiny", ["the {}"], str(tmp_path)).encode(["cat"])
    assert len(files()) == 3
    before = vit_clip.text_projection.data.clone()
    try:
        vit_clip.text_projection.data.add_(1)
        TextEncoder(vit_clip, tokenizer, "tiny", ["a {}"], str(tmp_path)).encode(["cat"])
    finally:
        vit_clip.text_projection.data.copy_(before)
    assert len(files()) == 4


def test_many_writers_at_once_leave_one_good_file(vit_clip, tokenizer, tmp_path):
    def encode(_):
        encoder = TextEncoder(vit_clip, tokenizer, "tiny", ["a {}"], str(tmp_path))
        return encoder.encode(["cat", "dog"])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(encode, range(8)))
    assert all(torch.equal(result, results[0]) for result in results)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_an_unwritable_cache_is_only_a_warning(vit_clip, tokenizer, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    encoder = TextEncoder(vit_clip, tokenizer, "tiny", ["a {}"], str(blocked / "cache"))
    assert encoder.encode(["cat"]).shape == (1, 24)
    assert "not cached" in caplog.text


def test_names_beyond_the_context_are_found(vit_clip, tokenizer):
    encoder = TextEncoder(vit_clip, tokenizer, "tiny", ["a {}", "a photo of the small {}"])
    # 77 tokens hold a start, an end and, in the longer template, 70 words of a name.
    fits, cut = " ".join(["very"] * 69), " ".join(["very"] * 71)
    assert encoder.too_long(["cat", fits, cut]) == [cut]
