"""Feature sources for the boundary prior: RGB images to features, by name."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from skimage.color import rgb2lab
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as images

from ...modeling.networks.clip_boundary import LAYERS, ClipBoundary
from ...modeling.networks.clip_surgery import ClipSurgery
from ...modeling.networks.preprocess import normalise
from ...modeling.networks.segmenters import SamSegmenter
from ...modeling.networks.weights import fingerprint, load_clip, load_sam
from ...utils.errors import ConfigError, ZipSegError

logger = logging.getLogger(__name__)

# RGB uint8 [3, H, W] and a grid (h, w) -> float32 [C, h, w].
Extract = Callable[[Tensor, tuple[int, int]], Tensor]


@dataclass(frozen=True)
class Networks:
    """Which networks the sources are taken from, by the names of the config and of timm."""

    resnet: str = "zipworld-rn"
    resnet_weights: str = "embedded"
    vit: str = "zipworld-vit"
    vit_weights: str = "embedded"
    sam: str = "zipworld"
    sam_weights: str = "embedded"
    dino: str = "vit_small_patch16_224.dino"
    dino_weights: str = "pretrained"  # or "random", or a checkpoint file
    # Beyond these limits features are interpolated to the grid.
    max_side: int = 1024  # pixels of the short side of a ResNet's input
    max_tokens: int = 4096  # patches of a ViT's


class FeatureSource(NamedTuple):
    """A source with a sentence on what it is."""

    name: str
    note: str
    extract: Extract


def build_source(name: str, networks: Networks) -> FeatureSource:
    """A source by name.

    ``stem``, ``layer1`` .. ``layer4``: layers of the CLIP ResNet, and ``untrained.layer3`` etc. the
    same with random weights; ``vit.3``: the CLIP ViT after block 3 (from 1); ``sam``: SAM's image
    encoder; ``dino.12``: DINO after block 12; ``lab``: colour alone; ``none``: no image at all.

    Raises:
        ZipSegError: there is no such source.
        ConfigError: its weights cannot be had.
    """
    kind, _, part = name.partition(".")
    if name in LAYERS:
        return _resnet(name, name, networks, networks.resnet_weights)
    if kind == "untrained" and part in LAYERS:
        return _resnet(name, part, networks, "random")
    if kind in ("vit", "dino") and part.isdecimal() and int(part):
        return {"vit": _vit, "dino": _dino}[kind](name, int(part), networks)
    if name == "sam":
        return _sam(name, networks)
    if name == "lab":
        return FeatureSource(name, "CIE Lab of each cell's mean colour", lab)
    if name == "none":
        return FeatureSource(name, "constant: the shape of the regions alone", constant)
    raise ZipSegError(
        f"'{name}' is no source; there are {', '.join(LAYERS)}, untrained.LAYER, vit.BLOCK, "
        "sam, dino.BLOCK, lab and none"
    )


def lab(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """Colour, lifted onto a sphere where cosine distance is half the squared distance."""
    mean = images.resize(
        image.float() / 255, list(grid), InterpolationMode.BILINEAR, antialias=True
    )
    colour = rgb2lab(mean.permute(1, 2, 0).clamp(0, 1).double().numpy()) / 256
    colour = torch.from_numpy(colour).permute(2, 0, 1)
    lift = (1 - colour.square().sum(dim=0, keepdim=True)).sqrt()
    return torch.cat([colour, lift]).float()


def constant(image: Tensor, grid: tuple[int, int]) -> Tensor:
    return torch.ones((1, *grid))


def _resnet(name: str, layer: str, networks: Networks, weights: str) -> FeatureSource:
    clip, _ = load_clip(networks.resnet, weights, "--resnet")
    tower = ClipBoundary(clip.visual, layer)

    def extract(image: Tensor, grid: tuple[int, int]) -> Tensor:
        shrink = min(1.0, networks.max_side / (tower.stride * min(grid)))
        coarse = tuple(round(side * shrink) for side in grid)
        return _to_grid(tower(_resized(image, coarse, tower.stride))[0], grid)

    what = f"{layer} of {networks.resnet}, stride {tower.stride}"
    return FeatureSource(name, _note(what, weights, tower), extract)


def _vit(name: str, block: int, networks: Networks) -> FeatureSource:
    clip, _ = load_clip(networks.vit, networks.vit_weights, "--vit")
    tower = ClipSurgery(clip.visual, blocks=1)  # its original path is the plain network
    blocks = clip.visual.transformer.resblocks
    if block > len(blocks):
        raise ZipSegError(f"{name}: {networks.vit} has {len(blocks)} blocks")
    patch, kept = clip.visual.conv1.stride[0], []
    blocks[block - 1].register_forward_hook(lambda _module, _inputs, tokens: kept.append(tokens))

    def extract(image: Tensor, grid: tuple[int, int]) -> Tensor:
        coarse = _within(grid, networks.max_tokens)
        tower(_resized(image, coarse, patch))
        tokens = kept.pop()[0, 1:]
        return _to_grid(tokens.T.reshape(-1, *coarse), grid)

    what = f"block {block} of {networks.vit}"
    return FeatureSource(name, _note(what, networks.vit_weights, clip.visual), extract)


def _sam(name: str, networks: Networks) -> FeatureSource:
    sam = load_sam(networks.sam, networks.sam_weights, "--sam")
    segmenter, size = SamSegmenter(sam), sam.image_encoder.img_size

    def extract(image: Tensor, grid: tuple[int, int]) -> Tensor:
        (embedding,) = segmenter.embed([image])
        cells = embedding.feature.shape[-1]
        # Without the padding that makes the input square.
        height, width = (round(cells * side / size) for side in embedding.input_size)
        return _to_grid(embedding.feature[0, :, :height, :width], grid)

    what = f"image encoder of SAM {networks.sam}, input {size} px"
    return FeatureSource(name, _note(what, networks.sam_weights, sam.image_encoder), extract)


def _dino(name: str, block: int, networks: Networks) -> FeatureSource:
    try:
        import timm
    except ImportError as error:
        raise ZipSegError(f"{name}: needs timm; pip install 'zipseg[train]'") from error
    model, weights = _load_dino(timm, networks.dino, networks.dino_weights)
    if block > len(model.blocks):
        raise ZipSegError(f"{name}: {networks.dino} has {len(model.blocks)} blocks")
    patch = model.patch_embed.patch_size[0]

    def extract(image: Tensor, grid: tuple[int, int]) -> Tensor:
        coarse = _within(grid, networks.max_tokens)
        # ImageNet's mean and deviation differ from CLIP's by less than 0.02.
        (features,) = model.forward_intermediates(
            _resized(image, coarse, patch), indices=[block - 1], intermediates_only=True
        )
        return _to_grid(features[0].float(), grid)

    return FeatureSource(name, _note(f"block {block} of {networks.dino}", weights, model), extract)


def _note(what: str, weights: str, network: nn.Module) -> str:
    return f"{what}, {weights} weights {fingerprint(network)[:8]}"


def _load_dino(timm, arch: str, weights: str) -> tuple[nn.Module, str]:
    """The model and which weights it has: random ones where the pretrained cannot be had."""
    options = {"dynamic_img_size": True, "num_classes": 0}
    try:
        if weights == "pretrained":
            try:
                return timm.create_model(arch, pretrained=True, **options).eval(), weights
            except (OSError, RuntimeError) as error:
                logger.warning("%s: no pretrained weights (%s); random ones instead", arch, error)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            file = "" if weights in ("pretrained", "random") else weights
            model = timm.create_model(arch, checkpoint_path=file, **options).eval()
    except Exception as error:  # unknown names, missing and broken files
        raise ConfigError("--dino", f"{arch} with '{weights}': {error}") from error
    return model, file or "RANDOM"


def _resized(image: Tensor, grid: Sequence[int], stride: int) -> Tensor:
    """The CLIP input [1, 3, h * stride, w * stride] whose features lie on the grid."""
    size = [stride * side for side in grid]
    return normalise(images.resize(image, size, InterpolationMode.BICUBIC, antialias=True))[None]


def _within(grid: tuple[int, int], tokens: int) -> tuple[int, int]:
    """The grid, or the largest of about its shape with at most so many cells."""
    shrink = min(1.0, (tokens / (grid[0] * grid[1])) ** 0.5)
    return max(1, int(grid[0] * shrink)), max(1, int(grid[1] * shrink))


def _to_grid(features: Tensor, grid: tuple[int, int]) -> Tensor:
    if features.shape[-2:] == grid:
        return features
    return F.interpolate(features[None], grid, mode="bilinear", align_corners=False)[0]
