"""Networks never wait for the device within a batch, and a GPU gives what the CPU gives."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from zipseg.modeling.networks import preprocess
from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.modeling.networks.preprocess import to_device
from zipseg.modeling.networks.segmenters.sam import SamFamily, SegmentAnything
from zipseg.structures import Proposals

# What makes the host wait for a GPU: values, sizes that depend on values, and numbers of its own
# that it copies there.
WAITING = {
    "lift_fresh",
    "_local_scalar_dense", "nonzero", "masked_select", "unique2", "_unique2", "equal",
    "is_nonzero", "repeat_interleave.Tensor", "bincount",
}  # fmt: skip
BOXES = torch.tensor([[5.0, 4, 40, 30], [10, 10, 70, 55]])


class Waits(TorchDispatchMode):
    """Keeps the operations at which a GPU would make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        indexed = name in ("index", "index_put", "index_put_") and any(
            each is not None and each.dtype == torch.bool for each in args[1]
        )
        if name in WAITING or f"{name}.{func._overloadname}" in WAITING or indexed:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def image(picture) -> torch.Tensor:
    return torch.as_tensor(picture).permute(2, 0, 1)


def test_what_would_wait_is_noticed():
    with Waits() as waits:
        numbers = torch.arange(4)
        numbers[numbers > 2]
        numbers.sum().item()
        torch.tensor([1, 2])
    assert waits.seen == ["index", "_local_scalar_dense", "lift_fresh"]


def test_clips_do_not_wait(vit_clip, resnet_clip, image):
    dense = ClipDense(vit_clip.visual, "naclip", size=48)
    boundary = ClipBoundary(resnet_clip.visual, "layer3", (64, 128), strip_pixels=1024)
    with torch.no_grad(), Waits() as waits:
        dense.encode([image, image[:, :40]])
        boundary.encode([image, image[:, :40], image])
    assert waits.seen == []


@pytest.mark.parametrize("size", [(60, 80), (300, 20)])
def test_images_on_a_gpu_are_resized_as_pillow_does(tiny_sam, size):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
    segmenter = SegmentAnything(tiny_sam)
    there, here = segmenter._resize_there(image), segmenter._resize(image)
    assert there.shape == here.shape
    assert (there.int() - here.int()).abs().max() <= 1


def test_segmenters_wait_once_an_image_at_most(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    if isinstance(segmenter, SamFamily):  # as for images on a GPU
        monkeypatch.setattr(segmenter, "_resize", segmenter._resize_there)
    with torch.no_grad(), Waits() as encoding:
        (encoded,) = segmenter.encode([image])
    with torch.no_grad(), Waits() as decoding:
        segmenter.decode(encoded, BOXES)
    assert encoding.seen == []
    # The packages' prompt encoders pick points by their labels; a chunk of prompts does so once.
    assert set(decoding.seen) <= {"index", "index_put_", "nonzero"}


def resized_as_on_a_gpu(image, size):
    """In float and rounded; on a CPU, bytes are resized by integers."""
    resized = F.resize(image.float(), list(size), InterpolationMode.BICUBIC, antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("size", [(48, 48), (150, 90)])
def test_the_clips_images_on_a_gpu_are_the_cpus_to_a_step(image, size):
    here, there = preprocess._resize(image, size), resized_as_on_a_gpu(image, size)
    assert (there.int() - here.int()).abs().max() <= 1


@pytest.mark.gpu
@pytest.mark.parametrize("path", ["surgery", "naclip"])
def test_a_gpu_gives_the_cpus_tokens_and_features(path, vit_clip, resnet_clip, image, monkeypatch):
    dense = ClipDense(vit_clip.visual, path, 2, size=48)
    boundary = ClipBoundary(resnet_clip.visual, "layer3", (64, 128), strip_pixels=1024)
    images = [image, image[:, :40]]
    with torch.no_grad():
        with monkeypatch.context() as patched:
            patched.setattr(preprocess, "_resize", resized_as_on_a_gpu)
            tokens, features = dense.encode(images), boundary.encode(images)
        dense.cuda(), boundary.cuda()
        on_gpu = [to_device(each, torch.device("cuda")) for each in images]
        torch.cuda.set_sync_debug_mode("error")
        try:
            with torch.backends.cudnn.flags(allow_tf32=False):
                tokens_gpu, features_gpu = dense.encode(on_gpu), boundary.encode(on_gpu)
        finally:
            torch.cuda.set_sync_debug_mode("default")
            dense.cpu(), boundary.cpu()
    for one, two in zip(tokens, tokens_gpu, strict=True):
        torch.testing.assert_close(one.patch, two.patch.cpu(), rtol=1e-2, atol=1e-2)
    for one, two in zip(features, features_gpu, strict=True):
        torch.testing.assert_close(one, two.cpu(), rtol=1e-2, atol=1e-2)


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_masks(member, image):
    segmenter = member.segmenter(member.model)
    place = torch.zeros(len(BOXES), dtype=torch.int64)
    proposals = Proposals(place, BOXES, BOXES[:, :2], place, place > 0)
    with torch.no_grad():
        (expected,) = segmenter([image], [proposals], [(60, 80)])
        segmenter.cuda()
        try:
            (found,) = segmenter([image.cuda()], [proposals.to("cuda")], [(60, 80)])
        finally:
            segmenter.cpu()
    assert (found.mask.cpu() == expected.mask).float().mean() > 0.99
    torch.testing.assert_close(found.iou.cpu(), expected.iou, rtol=1e-2, atol=1e-2)
