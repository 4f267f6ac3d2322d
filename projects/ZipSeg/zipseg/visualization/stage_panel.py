"""One picture of all stages: image, names, activation, boundaries, pieces, objects, masks.

Names that lead to none of the drawn instances are left out from the activation on: whatever is
looked for is brightest somewhere, and a name that the image does not show paints over all else.
"""

from collections.abc import Sequence, Sized
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from detectron2.data import Metadata
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..structures import Pieces, Proposals, Trace
from .overlays import draw_instances, worth_drawing

_COLOURS = mpl.colormaps["tab10"]
_NAMED = 2  # names in the title
_LEGEND = 4  # names below the activation


def save_stage_panel(path: str | Path, rgb: np.ndarray, trace: Trace, names: Sequence[str]) -> None:
    """Writes the panel of one image as PNG.

    Args:
        rgb: the image, uint8 [H, W, 3].
        trace: what Zip's stages handed on for it.
        names: all names of the model.
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for axis in axes:
        axis.axis("off")
    present = [names[c] for c in trace.present.category.tolist()]
    axes[0].set_title(_name_list(present, trace.present.score.tolist()), fontsize=9)
    axes[0].imshow(rgb)
    best = worth_drawing(trace.instances)
    shown = set(best.pred_classes.tolist())
    found = [place for place, c in enumerate(trace.present.category.tolist()) if c in shown]
    _draw_activation(axes[1], trace, found, present)
    _draw_pieces(axes[2], axes[3], trace.pieces, found)
    axes[4].imshow(rgb)
    _draw_proposals(axes[4], trace.proposals, found)
    axes[5].imshow(draw_instances(rgb, best, Metadata(thing_classes=list(names))))
    axes[5].set_title(f"instances: the best {_among(best, trace.instances)}", fontsize=9)
    FigureCanvasAgg(figure).print_png(str(path))


def _name_list(names: Sequence[str], scores: Sequence[float]) -> str:
    shown = [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return "\n".join(shown[:_NAMED]) + more if shown else "no name is present"


def _among(some: Sized, of: Sized) -> str:
    return f"{len(some)} of {len(of)}" if len(some) < len(of) else f"{len(some)}"


def _draw_activation(
    axis: Axes, trace: Trace, found: Sequence[int], present: Sequence[str]
) -> None:
    axis.set_title("activation", fontsize=9)
    canvas = np.ones((*trace.activation.active.shape[-2:], 3))
    for i in found:
        strength = (trace.activation.similarity[i] * trace.activation.active[i]).cpu().numpy()
        strength = strength[..., None]
        canvas = canvas * (1 - strength) + np.array(_COLOURS(i % 10)[:3]) * strength
    axis.imshow(canvas.clip(0, 1))
    for line, i in enumerate(found[:_LEGEND]):
        place, colour = (0, -0.02 - 0.05 * line), _COLOURS(i % 10)
        axis.text(*place, present[i], color=colour, va="top", transform=axis.transAxes, fontsize=7)


def _draw_pieces(boundary: Axes, pieces: Axes, drawn: Pieces, found: Sequence[int]) -> None:
    if drawn.boundary.is_floating_point():
        boundary.set_title("boundary strength", fontsize=9)
        boundary.imshow(drawn.boundary.cpu().numpy(), cmap="magma")
    else:
        boundary.set_title(f"{len(drawn.boundary.unique())} clusters", fontsize=9)
        boundary.imshow(drawn.boundary.cpu().numpy(), cmap="tab20", interpolation="nearest")
    pieces.set_title("pieces of objects", fontsize=9)
    shared = len(drawn.label) == 1  # by all categories
    label = (drawn.label if shared else drawn.label[list(found)]).cpu().numpy()
    kept = np.append(drawn.kept.cpu().numpy(), False)  # -1 is none
    label = np.where(kept[label], label + 1, 0).max(axis=0, initial=0)
    shuffled = np.where(label > 0, 1 + label * 7919 % 19, 0)
    pieces.imshow(
        np.ma.masked_equal(shuffled, 0), cmap="tab20", vmin=0, vmax=19, interpolation="nearest"
    )


def _draw_proposals(axis: Axes, proposals: Proposals, found: Sequence[int]) -> None:
    """Those of the first source, of which the pieces are."""
    of_found = torch.isin(proposals.category, proposals.category.new_tensor(found))
    first = proposals[(proposals.source == 0) & of_found]
    axis.set_title(f"objects: {_among(first, proposals)}", fontsize=9)
    places = (first.box.tolist(), first.point.tolist(), first.category.tolist())
    for box, point, index in zip(*places, strict=True):
        _draw_box(axis, box, _COLOURS(index % 10))
        axis.plot(*point, "+", color=_COLOURS(index % 10))


def _draw_box(axis: Axes, box: Sequence[float], colour) -> None:
    x0, y0, x1, y1 = box
    axis.add_patch(
        Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.2)
    )
