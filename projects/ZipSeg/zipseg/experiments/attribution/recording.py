"""Zip's hand-overs as stage records, for the attribution."""

from __future__ import annotations

import logging
from collections.abc import Collection
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...modeling.zip import Zip
from ...structures import Trace
from .stage_records import StageRecord, save_record

logger = logging.getLogger(__name__)


def record_stages(
    model: Zip,
    inputs: Collection[list[dict]],
    folder: str | Path,
    limit: int | None = None,
) -> int:
    """Run Zip over batches of Detectron2's inputs and save a record of every image.

    Args:
        limit: how many batches at most; None for all.

    Returns:
        the number of images.
    """
    count = 0
    total = min(limit or len(inputs), len(inputs))
    for batch in tqdm(islice(inputs, limit), desc="recording", unit="batch", total=total):
        for entry, trace in zip(batch, model.trace(batch), strict=True):
            save_record(folder, stage_record(trace, entry, model))
            count += 1
    return count


def stage_record(trace: Trace, entry: dict, model: Zip) -> StageRecord:
    """One image's record.

    Args:
        trace: what ``model`` made of it.
        entry: Detectron2's input with ``image`` [3, H, W], ``image_id`` and the asked size.
    """
    called = np.array(model.names, dtype=str)
    masks = trace.masks.mask.cpu().numpy()
    height, width = trace.instances.image_size
    rows, columns = entry["image"].shape[-2:]
    scale = np.array([width / columns, height / rows] * 2, dtype=np.float32)
    return StageRecord(
        int(entry["image_id"]),
        called[trace.present.category.cpu().numpy()],
        trace.activation.active.cpu().numpy(),
        model.stages.discover.needed_share,
        trace.pieces.label.cpu().numpy().astype(np.int32),
        trace.proposals.category.cpu().numpy(),
        trace.proposals.box.cpu().numpy() * scale,
        masks.reshape(-1, height, width),
        called[trace.instances.pred_classes.cpu().numpy()],
        trace.instances.pred_masks.cpu().numpy(),
    )
