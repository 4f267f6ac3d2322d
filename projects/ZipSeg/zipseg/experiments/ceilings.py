"""Ceilings: what Zip would reach if one stage after the other were perfect."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY, build_model
from pycocotools import mask as mask_util
from torch import Tensor
from tqdm import tqdm

from ..data.coco_format import GroundTruth, read_truth
from ..engine.loader import build_image_loader
from ..evaluation.evaluator import InstanceEvaluator
from ..modeling.stages import regions
from ..modeling.zip import Zip
from ..structures import Activation, Masks, Pieces, Present, Proposals, mask_boxes, resized_mask
from ..utils.errors import ConfigError, ZipSegError
from ..utils.files import write_atomically, write_json
from ..utils.tables import markdown
from .boundaries.oracle import covering

# Each is given together with all before it.
GIVEN = ("categories", "regions", "boxes", "masks")
_METRICS = ("AP", "AP50", "AR@100")


class TrueObjects(NamedTuple):
    """The G objects of an image, crowds aside, of P categories in the order of the model's names.

    Attributes:
        category: places in the model's names, int64 [P].
        place: of each object's category among them, int64 [G].
        mask: bool [G, H, W].
    """

    category: Tensor
    place: Tensor
    mask: Tensor


def true_objects(truth: GroundTruth, image_id: int, names: Sequence[str]) -> TrueObjects:
    """What an image shows.

    Raises:
        ZipSegError: a category that the model does not look for.
    """
    rows = np.flatnonzero((truth.image == image_id) & ~truth.crowd)
    called = [truth.names[k] for k in truth.category_index[rows]]
    unknown = sorted(set(called) - set(names))
    if unknown:
        raise ZipSegError(f"image {image_id} shows {unknown[0]}, which the model does not look for")
    height, width = truth.size[truth.image_ids == image_id][0]
    mask = torch.zeros((0, height, width), dtype=torch.bool)
    if len(rows):
        decoded = mask_util.decode([truth.rles[row] for row in rows])
        mask = torch.from_numpy(decoded).permute(2, 0, 1).bool().contiguous()
    classes = torch.tensor([names.index(name) for name in called], dtype=torch.int64)
    category, place = classes.unique(return_inverse=True)
    return TrueObjects(category, place, mask)


@META_ARCH_REGISTRY.register()
class ZipGivenTruth(Zip):
    """Zip with the first stages' results replaced by the truth; see ``given``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given: tuple[str, ...] = ()
        self._objects: list[TrueObjects] = []
        self._encoded: dict[str, Any] = {}

    @contextmanager
    def batch(self, objects: Sequence[TrueObjects]):
        """Within, one batch is run any number of times, its CLIPs once; these are its objects."""
        self._objects = list(objects)
        try:
            yield
        finally:
            self._given, self._objects, self._encoded = (), [], {}

    def give(self, results: Sequence[str]) -> None:
        """From now on ``results`` (some of ``GIVEN``) of the batch are those of its objects."""
        self._given = tuple(results)

    def _once(self, name: str, encode: Callable[[Any], Any], images: Any) -> Any:
        if name not in self._encoded:
            self._encoded[name] = encode(images)
        return self._encoded[name]

    def _tokens(self, images):
        return self._once("tokens", super()._tokens, images)

    def _image_embeddings(self, images):
        return self._once("embeddings", super()._image_embeddings, images)

    def _boundary_features(self, images):
        return self._once("features", super()._boundary_features, images)

    def _classify(self, images, tokens):
        if "categories" not in self._given:
            return super()._classify(images, tokens)
        categories = [each.category.to(self.device) for each in self._objects]
        return [Present(each, torch.ones_like(each, dtype=torch.float32)) for each in categories]

    def _activate(self, images, tokens, presents, features):
        own = super()._activate(images, tokens, presents, features)
        if "regions" not in self._given:
            return own
        return [
            true_activation(each, activation.grid, self.device)
            for each, activation in zip(self._objects, own, strict=True)
        ]

    def _discover(self, images, features, activations):
        if "boxes" not in self._given:
            return super()._discover(images, features, activations)
        sizes = [tuple(image.shape[-2:]) for image in images]
        return (
            [true_proposals(*each, self.device) for each in zip(self._objects, sizes, strict=True)],
            [_no_pieces(activation) for activation in activations],
        )

    def _segment(self, images, proposals, sizes):
        if "masks" not in self._given:
            return super()._segment(images, proposals, sizes)
        masks = [
            resized_mask(each.mask, size).to(self.device)
            for each, size in zip(self._objects, sizes, strict=True)
        ]
        return [Masks(each, torch.ones(len(each), device=self.device)) for each in masks]


def true_activation(
    objects: TrueObjects, grid: tuple[int, int], device: torch.device
) -> Activation:
    """The regions of an image's categories: cells at least half of which they cover."""
    region = objects.mask.new_zeros((len(objects.category), *objects.mask.shape[1:]))
    for place in range(len(region)):
        region[place] = objects.mask[objects.place == place].any(dim=0)
    return covering(region, grid).to(device)


def true_proposals(
    objects: TrueObjects, image_size: tuple[int, int], device: torch.device
) -> Proposals:
    """Boxes and innermost points of an image's objects, in pixels of (height, width)."""
    mask = resized_mask(objects.mask, image_size)
    deep = torch.from_numpy(regions.depth(mask.numpy().astype(np.int8))) * mask
    row, column = np.unravel_index(deep.flatten(1).argmax(dim=1).numpy(), image_size)
    point = torch.from_numpy(np.stack([column, row], axis=1)).float() + 0.5
    zeros = torch.zeros_like(objects.place)
    return Proposals(objects.place, mask_boxes(mask), point, zeros, zeros.bool()).to(device)


def _no_pieces(activation: Activation) -> Pieces:
    boundary = torch.zeros(activation.grid, device=activation.active.device)
    label = torch.full((1, *activation.grid), -1, device=activation.active.device)
    return Pieces(boundary, label, label.new_zeros(0, dtype=torch.bool))


def measure_ceilings(cfg: CfgNode, output: Path, limit: int | None = None) -> str:
    """Runs Zip on the first test data set as it is, then with true categories, with true regions
    too, then true boxes, and with all masks; writes ``ceilings.json`` and ``ceilings.md``.

    Args:
        output: folder of the two.
        limit: only the first so many images.

    Returns:
        The table, and which stage there is most to be won at.

    Raises:
        ConfigError: the config is not Zip's.
        ZipSegError: the truth has a category that the model does not look for.
    """
    if cfg.MODEL.META_ARCHITECTURE != "Zip":
        raise ConfigError(
            "MODEL.META_ARCHITECTURE", f"'{cfg.MODEL.META_ARCHITECTURE}' has no stages; take Zip"
        )
    dataset = cfg.DATASETS.TEST[0]
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.META_ARCHITECTURE = "ZipGivenTruth"
    model = build_model(cfg).eval()
    loader = build_image_loader(cfg, dataset)
    truth = read_truth(MetadataCatalog.get(dataset).json_file)
    steps = [GIVEN[:count] for count in range(len(GIVEN) + 1)]
    evaluators = [InstanceEvaluator(dataset, distributed=False) for _ in steps]
    seen: list[int] = []
    total = min(limit or len(loader), len(loader))
    for batch in tqdm(islice(loader, total), desc="ceilings", unit="batch", total=total):
        objects = [true_objects(truth, entry["image_id"], model.names) for entry in batch]
        seen += [entry["image_id"] for entry in batch]
        with model.batch(objects):
            for given, evaluator in zip(steps, evaluators, strict=True):
                model.give(given)
                evaluator.process(batch, model(batch))
    found = [evaluator.evaluate(seen)["segm"] for evaluator in evaluators]
    return _report(output, dataset, len(seen), found)


def _report(output: Path, dataset: str, images: int, found: Sequence[Mapping[str, float]]) -> str:
    called = ["as it is", *(f"true {name}" for name in GIVEN)]
    called[2:] = [f"and {name}" for name in called[2:]]
    rows = [
        [name, *(each[key] for key in _METRICS)] for name, each in zip(called, found, strict=True)
    ]
    won = [later["AP"] - before["AP"] for before, later in pairwise(found)]
    most = int(np.argmax(won))
    table = markdown(
        ["", *_METRICS], [[name, *(f"{v:.1f}" for v in values)] for name, *values in rows], 1
    )
    text = (
        f"Masks on {images} images of {dataset}; each line keeps what the lines before it were "
        f"given.\n\n{table}\nMost is to be won at the {GIVEN[most]}: {won[most]:.1f} AP.\n"
    )
    write_atomically(output / "ceilings.md", text.encode())
    records = [dict(zip(("given", *_METRICS), row, strict=True)) for row in rows]
    write_json(output / "ceilings.json", {"dataset": dataset, "images": images, "rows": records})
    return text
