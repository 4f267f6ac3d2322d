"""SAM 2.1 on single images (Ravi et al., arXiv 2408.00714) by the package ``rf-sam-2``."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as images_to

from ..preprocess import normalise
from .contract import SEGMENTER_REGISTRY, Encoded, Segmenter

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
BOX_CORNERS = (2, 3)  # the prompt encoder's labels of a box's two corners
FOREGROUND = 1


@SEGMENTER_REGISTRY.register()
class SAM2(Segmenter):
    """Images are squeezed to a square, with neither padding nor aspect kept."""

    package = ("sam2", "pip install 'zipseg[segmenters]'")

    @classmethod
    def types(cls) -> tuple[str, ...]:
        return ("sam2.1_hiera_b+", "sam2.1_hiera_l", "sam2.1_hiera_s", "sam2.1_hiera_t")

    @classmethod
    def build(cls, model_type: str, **changes: Any) -> nn.Module:
        """``changes``: of the package's configuration of the model."""
        from hydra.utils import instantiate
        from omegaconf import OmegaConf

        # Not by hydra's compose, whose global state belongs to whoever was first.
        config = OmegaConf.create(
            files("sam2").joinpath("configs", "sam2.1", f"{model_type}.yaml").read_text("utf-8")
        ).model
        return instantiate(OmegaConf.merge(config, changes), _recursive_=True)

    @classmethod
    def renamed(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return state.get("model", state)

    @property
    def side(self) -> int:
        return self.model.image_size

    def encode(self, images: Sequence[Tensor]) -> list[Encoded]:
        if not images:
            return []
        inputs = torch.stack([self._resize(image.to(self.device)) for image in images])
        pyramid = self.model.forward_image(inputs)["backbone_fpn"]
        *fine, last = pyramid[-self.model.num_feature_levels :]
        if self.model.directly_add_no_mem_embed:  # what a video's first frame remembers: nothing
            last = last + self.model.no_mem_embed.reshape(1, -1, 1, 1)
        return [
            Encoded(
                tuple(level[i : i + 1] for level in (last, *fine)),
                (self.side, self.side),
                tuple(image.shape[-2:]),
            )
            for i, image in enumerate(images)
        ]

    def _resize(self, image: Tensor) -> Tensor:
        resized = images_to.resize(image.float(), [self.side] * 2, antialias=True)
        return normalise(resized, MEAN, STD)

    def candidates(
        self, encoded: Encoded, boxes: Tensor | None, points: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        coords, labels = [], []
        if boxes is not None:
            coords.append(boxes.reshape(-1, 2, 2))
            labels += BOX_CORNERS
        if points is not None:
            coords.append(points[:, None])
            labels.append(FOREGROUND)
        height, width = encoded.image_size
        x, y = torch.cat(coords, dim=1).unbind(-1)
        xy = torch.stack([x / width, y / height], dim=-1) * self.side
        # One by one, so that nothing is copied from the host, which would wait.
        label = torch.stack(
            [torch.full_like(x[:, 0], each, dtype=torch.int32) for each in labels], dim=1
        )
        prompts = self.model.sam_prompt_encoder
        sparse, dense = prompts(points=(xy, label), boxes=None, masks=None)
        last, *fine = (level.float() for level in encoded.features)
        logits, iou, *_ = self.model.sam_mask_decoder(
            image_embeddings=last,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=True,
            high_res_features=fine or None,
        )
        return logits, iou

    def enlarge(self, logits: Tensor, encoded: Encoded, size: tuple[int, int]) -> Tensor:
        return F.interpolate(logits, size, mode="bilinear", align_corners=False)

    def mask_generator(self, **settings: Any) -> Callable[[np.ndarray], list[dict[str, Any]]]:
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        return SAM2AutomaticMaskGenerator(self.model, **settings).generate
