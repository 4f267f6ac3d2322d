"""Semantic clues: where each present category is, from CLIP Surgery's tokens (arXiv 2304.05653)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...structures import Activation
from .stage import Stage


@dataclass(frozen=True)
class ComparePatches(Stage):
    """Similarity of each patch to each present category.

    Args:
        redundancy: what is subtracted: "empty_text" the empty string's similarity, "mean_category"
            the mean over all categories.
        norm: see ``normalise_tokens``.
    """

    SECTIONS: ClassVar = ("ACTIVATION",)
    redundancy: str = "empty_text"
    norm: str = "tokens"

    def __post_init__(self) -> None:
        self._check_one_of("redundancy", ("empty_text", "mean_category"))
        self._check_one_of("norm", ("tokens", "channels"))

    def __call__(
        self, image: Tensor, patch: Tensor, text: Tensor, empty_text: Tensor, category: Tensor
    ) -> Tensor:
        """Similarity of any range, [N, P].

        Args:
            image: class token [D].
            patch: tokens of CLIP Surgery [N, D].
            text: embeddings of all names [C, D].
            empty_text: the empty string's [D].
            category: places of the P present categories.
        """
        image, patch = normalise_tokens(image, patch, self.norm)
        if self.redundancy == "empty_text":
            return similarity_to_names(patch, text[category], empty_text)
        return similarity_among_names(image, patch, text)[:, category]


def normalise_tokens(image: Tensor, patch: Tensor, norm: str) -> tuple[Tensor, Tensor]:
    """Class token [D] and patch tokens [N, D] divided by their norm.

    Args:
        norm: "tokens" over the token axis, class token included, for each channel (the released
            demo), or "channels" over the channels of each token (cosine similarity).
    """
    tokens = torch.cat([image[None], patch])
    tokens = F.normalize(tokens, dim={"tokens": 0, "channels": 1}[norm])
    return tokens[0], tokens[1:]


def similarity_to_names(patch: Tensor, text: Tensor, empty_text: Tensor) -> Tensor:
    """patch . (text - empty text), [N, P], for tokens [N, D] and names [P, D]; empty text [D]."""
    return patch @ (text - empty_text).T


def similarity_among_names(image: Tensor, patch: Tensor, text: Tensor) -> Tensor:
    """CLIP Surgery for several names without an empty string, [N, C].

    sim[t] = w[t] (token . text[t]) - mean over t of the same, w = softmax(2 image . text) / its
    mean: a matrix product less its row mean, where the published form multiplies out [N, C, D].

    Args:
        image: class token [D].
        patch: tokens [N, D].
        text: embeddings of all C names [C, D].
    """
    weight = (2 * image @ text.T).softmax(dim=-1)
    weighted = patch @ (text * (weight / weight.mean())[:, None]).T
    return weighted - weighted.mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class Activate(Stage):
    """Activated regions on the features' grid, or one that is finer.

    The demo min-max normalises each category over the tokens, resizes bilinearly to the image, cuts
    at ``thresh`` times the mean over the image and takes the nearest pixel for each cell of the
    grid. Bilinear resizing is linear and separable, so mean and samples come from two small matrix
    products and the full-size map is never made.

    Args:
        thresh: multiple of the mean similarity.
        min_similarity: active cells are above this too, 0..1.
        exclusive: a cell is active for the category with the highest similarity only.
        fine: cells along one cell of the features.
    """

    SECTIONS: ClassVar = ("ACTIVATION",)
    thresh: float = 0.7
    min_similarity: float = 0.0
    exclusive: bool = False
    fine: int = 1

    def __post_init__(self) -> None:
        self._check_least("fine", 1)

    def __call__(
        self,
        similarity: Tensor,
        token_grid: tuple[int, int],
        image_size: tuple[int, int],
        feature_grid: tuple[int, int],
    ) -> Activation:
        """The activation of P categories.

        Args:
            similarity: [N, P] over the N = gh * gw tokens of ``token_grid``.
            image_size: (height, width) of the image in pixels.
            feature_grid: (h, w) of the boundary features.
        """
        low = similarity.amin(dim=0)
        spread = (similarity.amax(dim=0) - low).clamp_min(torch.finfo(similarity.dtype).tiny)
        maps = ((similarity - low) / spread).T.reshape(-1, *token_grid)

        rows = _bilinear_matrix(token_grid[0], image_size[0], maps)
        columns = _bilinear_matrix(token_grid[1], image_size[1], maps)
        mean = torch.einsum("i,pij,j->p", rows.mean(dim=0), maps, columns.mean(dim=0))
        rows = rows[_nearest(image_size[0], self.fine * feature_grid[0], maps.device)]
        columns = columns[_nearest(image_size[1], self.fine * feature_grid[1], maps.device)]
        on_grid = rows @ maps @ columns.T
        active = on_grid > (self.thresh * mean).clamp_min(self.min_similarity)[:, None, None]
        if self.exclusive and len(active):
            active &= on_grid == on_grid.amax(dim=0)
        return Activation(on_grid, active)


def _bilinear_matrix(size: int, new_size: int, like: Tensor) -> Tensor:
    """[new_size, size]: what bilinear interpolation along one axis multiplies with."""
    unit = torch.eye(size, dtype=like.dtype, device=like.device)[None]
    return F.interpolate(unit, size=new_size, mode="linear", align_corners=False)[0].T


def _nearest(size: int, new_size: int, device: torch.device) -> Tensor:
    """Indices [new_size] that ``F.interpolate(mode="nearest")`` picks along an axis of ``size``."""
    # In single precision as the map itself: ties between pixels round by the type.
    index = torch.arange(size, dtype=torch.float32, device=device)[None, None]
    return F.interpolate(index, size=new_size, mode="nearest")[0, 0].long()
