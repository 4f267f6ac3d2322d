"""Zip's hand-overs as stage records, for the attribution."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ...modeling.stages.discovery import DiscoverySettings, cluster_and_select, share_out_softly
from ...modeling.zip import Zip
from ...structures import Trace
from .stage_records import StageRecord, save_record

logger = logging.getLogger(__name__)


def record_stages(
    model: Zip,
    inputs: Collection[list[dict]],
    settings: DiscoverySettings,
    folder: str | Path,
    limit: int | None = None,
) -> int:
    """Run Zip over batches of Detectron2's inputs and save a record of every image.

    Args:
        settings: of the model's discovery.
        limit: how many batches at most; None for all.

    Returns:
        the number of images.
    """
    count = 0
    total = min(limit or len(inputs), len(inputs))
    for batch in tqdm(islice(inputs, limit), desc="recording", unit="batch", total=total):
        for entry, trace in zip(batch, model.trace(batch), strict=True):
            save_record(folder, stage_record(trace, entry, model.names, settings))
            count += 1
    return count


def stage_record(
    trace: Trace, entry: dict, names: Sequence[str], settings: DiscoverySettings
) -> StageRecord:
    """One image's record.

    Args:
        entry: Detectron2's input with ``image`` [3, H, W], ``image_id`` and the asked size.
        names: all names of the model.
    """
    called = np.array(names, dtype=str)
    masks = trace.masks.mask.cpu().numpy()
    height, width = trace.instances.image_size
    rows, columns = entry["image"].shape[-2:]
    scale = np.array([width / columns, height / rows] * 2, dtype=np.float32)
    return StageRecord(
        int(entry["image_id"]),
        called[trace.present.category.cpu().numpy()],
        trace.activation.active.cpu().numpy(),
        # A basin is a part of what is activated, so less than half can never have an IoU of 0.5.
        settings.activation_share if settings.method == "clusters" else 0.5,
        _pieces(trace, settings).astype(np.int32),
        trace.proposals.category.cpu().numpy(),
        trace.proposals.box.cpu().numpy() * scale,
        masks.reshape(-1, height, width),
        called[trace.instances.pred_classes.cpu().numpy()],
        trace.instances.pred_masks.cpu().numpy(),
    )


def _pieces(trace: Trace, settings: DiscoverySettings) -> np.ndarray:
    """Fragments [1, h, w] shared by all names, or the basins of each name [P, h, w]."""
    if settings.method == "clusters":
        _, fragments, _ = cluster_and_select(trace.features, trace.activation, settings)
        return fragments.label.cpu().numpy()[None]
    _, labels = share_out_softly(trace.features, trace.activation, settings)
    return labels[0] - 1
