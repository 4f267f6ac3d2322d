"""What every segmenter does: encode an image once, then decode boxes and points to masks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from fvcore.common.registry import Registry
from torch import Tensor, nn
from torchvision.ops import box_iou

from ....structures import Masks, Proposals, mask_boxes
from ....utils.errors import ConfigError
from ..memory import free_memory
from ..weights import load_weights

SEGMENTER_REGISTRY = Registry("SEGMENTER")
SEGMENTER_REGISTRY.__doc__ = "Segmenters by ``MODEL.ZIP.SEGMENTER.NAME``."

PIXELS_AT_ONCE = 2**26  # of enlarged logits, 256 MiB
PROMPT_BYTES = 2**26  # that decoding a prompt takes, at most about
CACHED_TOKENS = 2**14  # of all prompts together: more do not fit a CPU's cache


@dataclass(frozen=True)
class Encoded:
    """What the image encoder leaves of one image."""

    features: tuple[Tensor, ...]  # float [1, C, h, w] each; the decoder's input first
    input_size: tuple[int, int]  # (height, width) of the resized image, without padding
    image_size: tuple[int, int]  # (height, width) of the image, pixels


class Prompting(NamedTuple):
    """How proposals become prompts.

    Attributes:
        use_points: prompt with each proposal's point besides its box.
        rounds: how often the segmenter is prompted; after the first with its own masks' boxes.
        same_box: boxes without points that overlap by an IoU of so much or more are one prompt, the
            first of them, whatever their categories; 1 for equal ones alone.
    """

    use_points: bool = False
    rounds: int = 1
    same_box: float = 1.0


class Segmenter(nn.Module, ABC):
    """Masks for boxes and points, with the arithmetic of the package's own predictor.

    Under autocast the image encoder alone runs in reduced precision: prompts are coordinates, which
    it would move by pixels.

    Args:
        model: the package's model, in evaluation mode.
        prompt_batch: prompts decoded at once; fewer where a GPU has little memory left, and on a
            CPU, which takes half as long again for what does not fit its cache.
    """

    package: ClassVar[tuple[str, str]]  # the module that is imported, how to install it
    mask_threshold: ClassVar[float] = 0.0

    def __init__(self, model: nn.Module, prompt_batch: int = 64) -> None:
        super().__init__()
        self.model = model
        self.prompt_batch = prompt_batch

    @classmethod
    def load(cls, model_type: str, weights: str, key: str, prompt_batch: int = 64) -> "Segmenter":
        """A segmenter of one of ``types`` in evaluation mode.

        Args:
            weights: a checkpoint file or URL in the package's own format, a name of
                ``register_weights`` (SegmentAnything alone), or "random".
            key: the config node that all this came from, for error messages.

        Raises:
            ConfigError: the package is missing, the type is unknown, the weights cannot be had or
                are of another type. A half-loaded model is never returned.
        """
        cls.check(model_type, key)
        what = f"{cls.__name__} {model_type}"
        model = load_weights(lambda: cls.build(model_type), weights, key, what, cls.renamed)
        return cls(model, prompt_batch)

    @classmethod
    def check(cls, model_type: str, key: str) -> None:
        """Raises ConfigError unless the package is there and the type one of ``types``."""
        module, install = cls.package
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigError(
                f"{key}.NAME", f"{cls.__name__} needs a package: {install} ({error})"
            ) from error
        if model_type not in cls.types():
            known = ", ".join(cls.types())
            raise ConfigError(f"{key}.TYPE", f"'{model_type}' is not one of: {known}")

    @classmethod
    @abstractmethod
    def types(cls) -> tuple[str, ...]:
        """The architectures there are."""

    @classmethod
    @abstractmethod
    def build(cls, model_type: str) -> nn.Module:
        """An untrained model of one of ``types``."""

    @classmethod
    def renamed(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The parameters of a checkpoint by the names of ``build``'s model."""
        return state

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    @abstractmethod
    def side(self) -> int:
        """Of the image encoder's square input, pixels."""

    def forward(
        self,
        images: Sequence[Tensor],
        proposals: Sequence[Proposals],
        sizes: Sequence[tuple[int, int]],
        prompting: Prompting = Prompting(),  # noqa: B008
    ) -> list[Masks]:
        """Masks of many images' proposals; images without proposals are never encoded.

        Args:
            images: as for ``encode``.
            sizes: of each image's masks, as for ``decode``.
        """
        prompted = [image for image, each in zip(images, proposals, strict=True) if len(each)]
        encoded = iter(self.encode(prompted))
        masks = []
        for each, size in zip(proposals, sizes, strict=True):
            if not len(each):
                masks.append(self._no_masks(size))
                continue
            features = next(encoded)
            found = self._decode_proposals(features, each, size, prompting)
            for _ in range(prompting.rounds - 1):
                found = self._decode_again(features, found, prompting.same_box)
            masks.append(found)
        return masks

    def _decode_proposals(
        self, encoded: Encoded, proposals: Proposals, size: tuple[int, int], prompting: Prompting
    ) -> Masks:
        alone = proposals.by_point
        boxes, points = proposals[~alone], proposals[alone]
        masks = []
        if len(boxes):
            if prompting.use_points:
                masks.append(self.decode(encoded, boxes.box, boxes.point, size))
            else:
                box = united(boxes.box, prompting.same_box)
                masks.append(self.decode(encoded, box, None, size))
        if len(points):
            masks.append(self.decode(encoded, None, points.point, size))
        if len(masks) == 1:
            return masks[0]
        order = torch.cat([(~alone).nonzero()[:, 0], alone.nonzero()[:, 0]])
        return Masks.cat(masks)[order.argsort()]

    def _decode_again(self, encoded: Encoded, masks: Masks, same_box: float) -> Masks:
        """Prompted with the masks' own boxes; an empty mask stays as it is."""
        box = mask_boxes(masks.mask)
        scale = [image / own for image, own in zip(encoded.image_size, masks.size, strict=True)]
        pixels = torch.tensor(scale[::-1] * 2, device=box.device)
        again = self.decode(encoded, united(box, same_box) * pixels, None, masks.size)
        empty = ~masks.mask.flatten(1).any(dim=1)
        return Masks(
            torch.where(empty[:, None, None], masks.mask, again.mask),
            torch.where(empty, masks.iou, again.iou),
        )

    @abstractmethod
    def encode(self, images: Sequence[Tensor]) -> list[Encoded]:
        """Runs the image encoder once over RGB images, uint8 [3, H, W] of any sizes."""

    def decode(
        self,
        encoded: Encoded,
        boxes: Tensor | None = None,
        points: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Masks:
        """The candidate with the highest predicted IoU for each of N prompts.

        Args:
            boxes: float [N, 4], XYXY in pixels of the image; None prompts with points alone.
            points: float [N, 2], XY of a point inside each object; None prompts with boxes alone.
            size: (height, width) of the masks, by default the image's.

        Raises:
            ValueError: neither boxes nor points, or not as many of the one as of the other.
        """
        given = [prompt for prompt in (boxes, points) if prompt is not None]
        if not given or len({len(prompt) for prompt in given}) > 1:
            raise ValueError("decode needs boxes, points, or as many of both")
        # Categories often share a region, and masks a box: what is asked for twice is decoded once.
        prompts, place = torch.cat(given, dim=1).unique(dim=0, return_inverse=True)
        boxes = None if boxes is None else prompts[:, :4]
        points = None if points is None else prompts[:, -2:]
        size = tuple(size or encoded.image_size)
        mask = torch.empty((len(prompts), *size), dtype=torch.bool, device=self.device)
        iou = torch.empty(len(mask), device=self.device)
        batch = self._prompts_at_once(encoded)
        for start in range(0, len(mask), batch):
            chunk = slice(start, start + batch)
            with torch.autocast(mask.device.type, enabled=False):
                logits, quality = self.candidates(
                    encoded, *(None if each is None else each[chunk] for each in (boxes, points))
                )
                iou[chunk], best = quality.max(dim=1)
                logits = logits[torch.arange(len(best), device=best.device), best][:, None]
                self._enlarge(logits, encoded, mask[chunk])
        return Masks(mask, iou.clamp(0, 1))[place]

    def _prompts_at_once(self, encoded: Encoded) -> int:
        fitting = free_memory(self.device) // 2 // PROMPT_BYTES
        if self.device.type == "cpu":
            fitting = min(fitting, CACHED_TOKENS // encoded.features[0].shape[-2:].numel())
        return max(1, min(self.prompt_batch, fitting))

    @abstractmethod
    def candidates(
        self, encoded: Encoded, boxes: Tensor | None, points: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The decoder's logits float32 [n, M, h, w] and predicted IoU [n, M] of n prompts, as
        for ``decode``."""

    @abstractmethod
    def enlarge(self, logits: Tensor, encoded: Encoded, size: tuple[int, int]) -> Tensor:
        """Logits [n, 1, h, w] of the decoder at a size, [n, 1, H, W], bilinearly."""

    @abstractmethod
    def mask_generator(self, **settings: Any) -> Callable[[np.ndarray], list[dict[str, Any]]]:
        """The package's automatic mask generator: RGB uint8 [H, W, 3] to records with
        ``segmentation`` bool [H, W] and ``predicted_iou``.

        Args:
            settings: ``points_per_side``, ``points_per_batch``, ``pred_iou_thresh`` and
                ``stability_score_thresh``.
        """

    def _no_masks(self, size: tuple[int, int]) -> Masks:
        nothing = torch.zeros((0, *size), dtype=torch.bool, device=self.device)
        return Masks(nothing, torch.zeros(0, device=self.device))

    def _enlarge(self, logits: Tensor, encoded: Encoded, out: Tensor) -> None:
        """Fills ``out`` [n, H, W] with the masks, a few at a time where they are large."""
        size = tuple(out.shape[-2:])
        # Twice four bytes a pixel: SAM enlarges to its own input first.
        pixels = min(PIXELS_AT_ONCE, free_memory(self.device) // 2 // 8)
        at_once = max(1, pixels // (size[0] * size[1]))
        for few, masks in zip(logits.split(at_once), out.split(at_once), strict=True):
            torch.gt(self.enlarge(few, encoded, size)[:, 0], self.mask_threshold, out=masks)


def united(box: Tensor, same: float) -> Tensor:
    """Each box, float [N, 4], or the first one that it overlaps by an IoU of ``same`` or more and
    that is not replaced itself."""
    if same >= 1:
        return box
    alike = (box_iou(box, box) >= same).cpu().numpy()
    first = np.full(len(box), -1)
    for place, row in enumerate(alike):
        if first[place] < 0:
            first[place] = place  # an empty box is not like itself
            first[row & (first < 0)] = place
    return box[torch.from_numpy(first).to(box.device)]


def build_segmenter(
    name: str, model_type: str, weights: str, key: str, prompt_batch: int = 64
) -> Segmenter:
    """A registered segmenter with its weights; arguments and errors as ``Segmenter.load``.

    Raises:
        ConfigError: there is no segmenter of that name, and as ``Segmenter.load``.
    """
    if name not in SEGMENTER_REGISTRY:
        known = ", ".join(sorted(name for name, _ in SEGMENTER_REGISTRY))
        raise ConfigError(f"{key}.NAME", f"'{name}' is not one of: {known}")
    return SEGMENTER_REGISTRY.get(name).load(model_type, weights, key, prompt_batch)
