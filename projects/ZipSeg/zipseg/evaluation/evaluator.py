"""Detectron2's evaluator for all protocols."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.data.datasets.coco import convert_to_coco_json
from detectron2.evaluation import DatasetEvaluator, DatasetEvaluators
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager

from ..data.coco_format import GroundTruth, NoAnnotations, read_truth, results_from
from ..utils.errors import ConfigError, ZipSegError
from ..utils.files import write_json
from .files import evaluate_all
from .protocols import PROTOCOLS
from .report import PREDICTIONS_NAME, write_report

logger = logging.getLogger(__name__)


def build_evaluators(
    cfg: CfgNode, dataset_name: str, output_folder: str | None
) -> DatasetEvaluators:
    """The evaluators that ``cfg.EVALUATION`` asks for, for a registered data set.

    Raises:
        ConfigError: for an unknown protocol.
    """
    protocols = tuple(cfg.EVALUATION.PROTOCOLS)
    if not protocols or set(protocols) - set(PROTOCOLS):
        raise ConfigError("EVALUATION.PROTOCOLS", f"{protocols} must be some of {PROTOCOLS}")
    return DatasetEvaluators([InstanceEvaluator(dataset_name, protocols, output_folder)])


class InstanceEvaluator(DatasetEvaluator):
    """Collects a model's ``Instances`` once and evaluates them by any number of protocols.

    In ``output_folder`` it leaves ``coco_instances_results.json`` (COCO's results format) and what
    ``report.write_report`` writes.
    """

    def __init__(
        self,
        dataset_name: str,
        protocols: Sequence[str] = ("coco",),
        output_folder: str | None = None,
        *,
        distributed: bool = True,
    ) -> None:
        self._name, self._metadata = dataset_name, MetadataCatalog.get(dataset_name)
        self._output_dir, self._distributed = output_folder, distributed
        self._protocols = tuple(protocols)
        self._results: list[dict] = []
        if not self._metadata.get("json_file"):  # a data set that is not of a file
            folder = output_folder or tempfile.mkdtemp()
            self._metadata.json_file = str(Path(folder) / f"{dataset_name}_coco_format.json")
            convert_to_coco_json(dataset_name, self._metadata.json_file)

    def reset(self) -> None:
        """Forgets all predictions."""
        self._results = []

    def process(self, inputs: Sequence[Mapping], outputs: Sequence[Mapping]) -> None:
        """Takes in the ``instances`` of a batch, whose inputs have an ``image_id``."""
        for entry, output in zip(inputs, outputs, strict=True):
            if "instances" in output:
                instances = output["instances"].to("cpu")
                self._results += instances_to_coco_json(instances, entry["image_id"])

    def evaluate(self, img_ids: Iterable[int] | None = None) -> dict[str, dict[str, float]]:
        """Evaluate all images of the data set, or those of ``img_ids``.

        Returns:
            task -> metric -> percent, as Detectron2 has it ("bbox", "segm" with "AP-<category>")
            for COCO's protocol, "<task>_<protocol>" for the others; {} on all but the main process,
            and without annotations.
        """
        results = self._results
        if self._distributed:
            comm.synchronize()
            results = list(itertools.chain(*comm.gather(results, dst=0)))
            if not comm.is_main_process():
                return {}
        annotations = str(self._metadata.json_file)
        try:
            truth = read_truth(PathManager.get_local_path(annotations))
        except NoAnnotations:
            truth = None
        results = self._with_dataset_ids(results, truth)
        if self._output_dir:
            write_json(Path(self._output_dir) / PREDICTIONS_NAME, results)
        if truth is None:
            logger.info("%s has no annotations: nothing to evaluate", self._name)
            return {}
        if img_ids is not None:
            truth = truth.select_images(list(img_ids))
            results = [r for r in results if r["image_id"] in set(truth.image_ids.tolist())]
        evaluations = evaluate_all(
            truth,
            results_from(results, truth, f"predictions on {self._name}"),
            self._protocols,
            unseen=self._metadata.get("unseen_names", ()),
        )
        if self._output_dir:
            write_report(
                self._output_dir,
                evaluations,
                dataset=self._name,
                annotations=annotations,
                images=len(truth.image_ids),
            )
        return {
            task: {
                **evaluation.metrics,
                **{f"AP-{name}": ap for name, ap in evaluation.per_category.items()},
            }
            for task, evaluation in evaluations.items()
        }

    def _with_dataset_ids(self, results: list[dict], truth: GroundTruth | None) -> list[dict]:
        # Without a mapping, classes are in the order of the ids, as Detectron2's loader has them.
        ids = [] if truth is None else truth.category_ids.tolist()
        in_order = {identity: place for place, identity in enumerate(ids)}
        mapping = self._metadata.get("thing_dataset_id_to_contiguous_id", in_order)
        to_dataset = {contiguous: identity for identity, contiguous in mapping.items()}
        for result in results:
            if result["category_id"] not in to_dataset:
                raise ZipSegError(
                    f"the model predicts class {result['category_id']}, but {self._name} has "
                    f"{len(to_dataset)} classes: check MODEL.ROI_HEADS.NUM_CLASSES or the name list"
                )
        return [{**r, "category_id": to_dataset[r["category_id"]]} for r in results]
