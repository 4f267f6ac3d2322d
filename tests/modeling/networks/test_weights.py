"""Weights by tag, file and URL: the whole model or one clear error."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from zipseg.modeling.networks.segmenters import build_segmenter
from zipseg.modeling.networks.weights import fingerprint, load_clip
from zipseg.utils.errors import ConfigError


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
    assert "MODEL.ZIP.SEMANTIC.WEIGHTS is 'random'" in caplog.text


def test_a_tag_that_cannot_be_downloaded_is_explained(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(
        ConfigError, match=r"'openai' of RN50 could not be downloaded.*no route.*path"
    ):
        load_clip("RN50", "openai", KEY)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder and the URL of this machine that it is served under."""
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
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
