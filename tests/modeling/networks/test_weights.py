"""Weights by tag, file and URL: the whole model or one clear error."""

import functools
import json
import logging
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from zipseg.modeling.networks import checkpoints, clip_files, weights
from zipseg.modeling.networks.segmenters import build_segmenter
from zipseg.modeling.networks.weights import fingerprint, load_clip
from zipseg.utils.download import RemoteFile
from zipseg.utils.errors import ConfigError
from zipseg.utils.identity import file_checksum


def load_sam(model_type, weights, key):
    return build_segmenter("SegmentAnything", model_type, weights, key).model


ARCH, KEY = "zipworld-vit", "MODEL.ZIP.SEMANTIC"


@pytest.fixture(scope="module")
def clip():
    return load_clip(ARCH, "random", KEY)[0]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_checkpoint_file_is_loaded_whole(clip, tmp_path, suffix):
    state = {name: tensor + 1 for name, tensor in clip.state_dict().items()}
    path = tmp_path / f"clip.{suffix}"
    if suffix == "pt":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    else:
        save_file(state, path)
    loaded, _ = load_clip(ARCH, str(path), KEY)
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in state.items())


def test_weights_of_another_architecture_are_refused(clip, tmp_path):
    path = tmp_path / "clip.safetensors"
    save_file(clip.state_dict(), path)
    with pytest.raises(
        ConfigError, match=r"WEIGHTS: .*clip\.safetensors does not hold .*zipworld-rn"
    ):
        load_clip("zipworld-rn", str(path), KEY)
    with pytest.raises(
        ConfigError,
        match=r"SEGMENTER\.WEIGHTS: .*does not hold the weights of SegmentAnything zipworld",
    ):
        load_sam("zipworld", str(path), "MODEL.ZIP.SEGMENTER")


def test_missing_parameters_are_refused(clip, tmp_path):
    state = clip.state_dict()
    state.pop("visual.proj")
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(ConfigError, match=r"visual\.proj"):
        load_clip(ARCH, str(tmp_path / "part.safetensors"), KEY)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04cut"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_damaged_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"SEMANTIC\.WEIGHTS: .*bad\.{suffix}.*To mend"):
        load_clip(ARCH, str(path), KEY)


def test_pickled_code_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ConfigError, match=r"trap\.pt"):
        load_clip(ARCH, str(tmp_path / "trap.pt"), KEY)
    with pytest.raises(ConfigError, match=r"trap\.pt"):
        load_sam("vit_b", str(tmp_path / "trap.pt"), "MODEL.ZIP.SEGMENTER")
    assert not (tmp_path / "sprung").exists()


def test_sam_checkpoints_load(tmp_path):
    sam = load_sam("zipworld", "random", "MODEL.ZIP.SEGMENTER")
    torch.save(sam.state_dict(), tmp_path / "sam.pth")
    loaded = load_sam("zipworld", str(tmp_path / "sam.pth"), "MODEL.ZIP.SEGMENTER")
    assert fingerprint(loaded) == fingerprint(sam)


def test_random_weights_are_the_same_every_time_and_warned_of(clip, caplog):
    again, _ = load_clip(ARCH, "random", KEY)
    assert fingerprint(again) == fingerprint(clip)
    (said,) = caplog.messages  # and nothing of open_clip's
    assert said.startswith("MODEL.ZIP.SEMANTIC.WEIGHTS is 'random'")


def test_a_tag_that_cannot_be_downloaded_is_explained_at_once(monkeypatch, caplog, capfd):
    asked = []

    def unknown(host, port):
        asked.append(host)
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(clip_files, "find_clip", lambda arch, tag: None)
    monkeypatch.setattr(clip_files.urllib.request, "getproxies", dict)
    monkeypatch.setattr(clip_files.socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=r"'openai' of RN50 could not be.*zipseg download") as e:
        load_clip("RN50", "openai", KEY)
    assert len(asked) == 1
    assert "\n" not in str(e.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_download_that_fails_is_said_once(monkeypatch, caplog):
    def broken(*args, **kwargs):
        logging.error("Failed to download weights")
        raise OSError("no route to host")

    monkeypatch.setattr(clip_files, "find_clip", lambda arch, tag: None)
    monkeypatch.setattr(clip_files, "_check_network", lambda arch, tag: None)
    monkeypatch.setattr(open_clip, "download_pretrained", broken)
    with pytest.raises(ConfigError, match=r"of RN50 could not be downloaded \(no route to host\)"):
        load_clip("RN50", "openai", KEY)
    assert "Failed" not in caplog.text


@pytest.fixture(scope="module")
def small_openai(tmp_path_factory):
    """A small architecture of OpenAI's kind, known to open_clip by name, and its QuickGELU twin."""
    folder = tmp_path_factory.mktemp("architectures")
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16,
                       "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2,
                     "layers": 1},
    }  # fmt: skip
    (folder / "small-openai.json").write_text(json.dumps(config))
    (folder / "small-openai-quickgelu.json").write_text(json.dumps({**config, "quick_gelu": True}))
    open_clip.add_model_config(folder)
    return "small-openai"


def activations(model) -> set[str]:
    named = ("QuickGELU", "GELU")
    return {type(m).__name__ for m in model.modules() if type(m).__name__ in named}


@pytest.fixture
def openai_state(small_openai):
    with clip_files.quiet():
        model = open_clip.create_model(f"{small_openai}-quickgelu")
    marks = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    return {**tensors, **{key: torch.tensor(value) for key, value in marks.items()}}


def test_weights_in_openais_form_get_their_activation(small_openai, openai_state, tmp_path, caplog):
    torch.save(openai_state, tmp_path / "openai.pt")
    with caplog.at_level("INFO"):
        loaded, _ = load_clip(small_openai, str(tmp_path / "openai.pt"), KEY)
    assert activations(loaded) == {"QuickGELU"}
    assert "small-openai has QuickGELU" in caplog.text
    assert "random" not in caplog.text
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    assert torch.equal(loaded.visual.proj, openai_state["visual.proj"].float())


def test_a_config_beside_the_file_tells_the_activation(small_openai, openai_state, tmp_path):
    state = {k: v for k, v in openai_state.items() if v.ndim}
    state["logit_scale"] = openai_state["logit_scale"]
    save_file(state, tmp_path / "open_clip_model.safetensors")
    beside = tmp_path / "open_clip_config.json"
    path = str(tmp_path / "open_clip_model.safetensors")
    assert activations(load_clip(small_openai, path, KEY)[0]) == {"GELU"}
    beside.write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    assert activations(load_clip(small_openai, path, KEY)[0]) == {"QuickGELU"}
    beside.write_text(json.dumps({"model_cfg": {}}))
    with pytest.raises(ConfigError, match=r"ARCH: .*was trained with GELU: take 'small-openai'"):
        load_clip(f"{small_openai}-quickgelu", path, KEY)


def test_a_tag_brings_its_activation(small_openai, openai_state, tmp_path, monkeypatch):
    state = {k: v for k, v in openai_state.items() if k not in clip_files._OPENAI_MARKS}
    torch.save(state, tmp_path / "tag.pt")
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda arch: ["openai"])
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda arch, tag: {"quick_gelu": True})
    monkeypatch.setattr(weights, "fetch_clip", lambda *_: str(tmp_path / "tag.pt"))
    assert activations(load_clip(small_openai, "openai", KEY)[0]) == {"QuickGELU"}


def test_of_programs_only_openais_own_are_opened(small_openai, tmp_path, monkeypatch):
    class Program(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    path = tmp_path / "program.pt"
    torch.jit.script(Program()).save(str(path))
    with pytest.raises(ConfigError, match=r"TorchScript program and none that OpenAI") as caught:
        load_clip(small_openai, str(path), KEY)
    assert "weights_only" not in str(caught.value)
    monkeypatch.setattr(clip_files, "_openai_checksums", lambda: {file_checksum(path)})
    with pytest.raises(ConfigError, match="does not hold the weights of small-openai"):
        load_clip(small_openai, str(path), KEY)


def test_openais_published_files_are_known_by_their_checksums():
    known = clip_files._openai_checksums()
    assert "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f" in known  # ViT-B/16
    assert all(len(each) == 64 for each in known)


def test_no_message_advises_to_run_what_a_file_holds(tmp_path):
    torch.save({"state_dict": object()}, tmp_path / "trap.pt")
    for load in (load_clip, load_sam):
        with pytest.raises(ConfigError, match="never run") as caught:
            load(ARCH if load is load_clip else "vit_b", str(tmp_path / "trap.pt"), KEY)
        assert "weights_only" not in str(caught.value)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder and the URL of this machine that it is served under."""
    monkeypatch.setenv("ZIPSEG_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_urls_are_downloaded(served):
    folder, url = served
    sam = load_sam("zipworld", "random", "MODEL.ZIP.SEGMENTER")
    torch.save(sam.state_dict(), folder / "sam.pth")
    loaded = load_sam("zipworld", f"{url}/sam.pth", "MODEL.ZIP.SEGMENTER")
    assert fingerprint(loaded) == fingerprint(sam)
    with pytest.raises(
        ConfigError, match=r"SEGMENTER\.WEIGHTS: '.*none\.pth' could not be fetched: .*404"
    ):
        load_sam("zipworld", f"{url}/none.pth", "MODEL.ZIP.SEGMENTER")


def official(path, url) -> dict:
    """A table of official checkpoints in which "vit_b" is this file at this address."""
    size, digest = path.stat().st_size, file_checksum(path)
    return {"vit_b": RemoteFile("sam_vit_b.pth", url, size, digest)}


def test_auto_takes_the_official_checkpoint_of_the_type(served, monkeypatch, tmp_path):
    folder, url = served
    sam = load_sam("zipworld", "random", "MODEL.ZIP.SEGMENTER")
    torch.save(sam.state_dict(), folder / "sam.pth")
    known = official(folder / "sam.pth", f"{url}/sam.pth")
    monkeypatch.setattr(checkpoints, "SAM_CHECKPOINTS", known)
    monkeypatch.setitem(weights._SAM_TYPES, "vit_b", weights._SAM_TYPES["zipworld"])
    assert fingerprint(load_sam("vit_b", "auto", "MODEL.ZIP.SEGMENTER")) == fingerprint(sam)
    (folder / "sam.pth").unlink()  # from now on it comes from the cache
    assert fingerprint(load_sam("vit_b", "auto", "MODEL.ZIP.SEGMENTER")) == fingerprint(sam)
    with pytest.raises(
        ConfigError, match=r"SEGMENTER\.WEIGHTS: 'auto' is for vit_b, not for .*'vit_l'"
    ):
        load_sam("vit_l", "auto", "MODEL.ZIP.SEGMENTER")


def test_auto_without_network_says_which_file_goes_where(monkeypatch, tmp_path):
    monkeypatch.setenv("ZIPSEG_CACHE", str(tmp_path))
    remote = RemoteFile("sam_vit_b.pth", "http://127.0.0.1:9/sam_vit_b.pth", 5, "0" * 64)
    monkeypatch.setattr(checkpoints, "SAM_CHECKPOINTS", {"vit_b": remote})
    with pytest.raises(ConfigError) as caught:
        load_sam("vit_b", "auto", "MODEL.ZIP.SEGMENTER")
    message = str(caught.value)
    assert message.startswith("MODEL.ZIP.SEGMENTER.WEIGHTS: sam_vit_b.pth")
    assert "http://127.0.0.1:9/sam_vit_b.pth" in message
    assert str(tmp_path / "weights" / "sam_vit_b.pth") in message
    assert "\n" not in message


def test_the_official_checkpoints_are_all_known():
    assert set(checkpoints.SAM_CHECKPOINTS) == {"vit_b", "vit_l", "vit_h"}
    for remote in checkpoints.SAM_CHECKPOINTS.values():
        assert remote.url == f"https://dl.fbaipublicfiles.com/segment_anything/{remote.name}"
        assert len(remote.sha256) == 64
        assert remote.size > 3e8
