"""What a longer list of names costs: classification comes first, so little but the text."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from zipseg.data.vocabulary import use_names

from .forward import stopwatch


def vocabulary_benchmark(
    cfg: CfgNode, image: np.ndarray, counts: Sequence[int] = (4, 80, 1203), repeats: int = 5
) -> dict[str, dict[str, float]]:
    """CPU and wall seconds of Zip by the number of names: COCO has 80, LVIS 1,203.

    ``CLASSIFICATION.MAX_CATEGORIES`` bounds what goes on to the later stages; all other settings
    are the config's, and every count has the same networks and image.

    Args:
        image: uint8 [H, W, 3] in the model's input format.
        repeats: forward passes; the fastest counts, after one that does not.

    Returns:
        number of names -> CPU seconds ``build_s`` (the networks and the text, once),
        ``classification_s`` (scores and choice of the present categories) and ``forward_s`` (the
        whole pass) of an image; ``present``, the categories that went on; ``over_fewest``, the pass
        over that of fewest names.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    rows: dict[str, dict[str, float]] = {}
    for count in counts:
        cfg = cfg.clone()
        use_names(cfg, [f"name {i}" for i in range(count)])
        start = time.process_time()
        model = build_model(cfg).eval()
        build = time.process_time() - start
        model.trace([{"image": tensor}])
        passes, classification = [], []
        for _ in range(repeats):
            with stopwatch(model, time.process_time) as seconds:
                start = time.process_time()
                (trace,) = model.trace([{"image": tensor}])
                passes.append(time.process_time() - start)
            classification.append(seconds["score_categories"] + seconds["select_present"])
        rows[str(count)] = {
            "build_s": build,
            "classification_s": min(classification),
            "forward_s": min(passes),
            "present": len(trace.present),
        }
    fewest = rows[str(counts[0])]["forward_s"]
    return {key: row | {"over_fewest": row["forward_s"] / fewest} for key, row in rows.items()}
