"""The analysis from a config to its report."""

from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model

from ...data.coco_format import read_truth
from ...data.images import read_image
from ...engine.loader import build_image_loader
from .causes import find_fates, largest_causes
from .recording import record_stages
from .report import write_attribution
from .stage_records import load_records


def attribute_lost_objects(
    cfg: CfgNode, output: Path, limit: int | None = None, reuse: bool = False
) -> str:
    """Records what every stage hands on for the first test data set, and reports what is lost.

    Args:
        output: gets ``records/`` and the report.
        limit: only the first so many images.
        reuse: take the records that are there, run nothing.

    Returns:
        The largest causes, a line each.
    """
    dataset, records = cfg.DATASETS.TEST[0], output / "records"
    paths = {entry["image_id"]: entry["file_name"] for entry in DatasetCatalog.get(dataset)}
    if not reuse:
        model = build_model(cfg).eval()
        loader = build_image_loader(cfg, dataset)
        record_stages(model, loader, records, limit)
    annotations = MetadataCatalog.get(dataset).json_file
    truth = read_truth(annotations)
    fates = find_fates(truth, load_records(records))
    summary = write_attribution(
        output, fates, truth, records, lambda image: read_image(paths[image], "RGB")
    )
    found = f"{len(fates)} objects, {summary['all']['found']:.1f} % found; lost most at:"
    causes = (f"  {cause}: {summary['all'][cause]:.1f} %" for cause in largest_causes(summary))
    return "\n".join([found, *causes])
