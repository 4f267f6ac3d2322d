"""One picture of all stages: image, names, activation, boundaries, pieces, objects, masks."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from detectron2.data import Metadata
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..structures import Pieces, Proposals, Trace
from .overlays import best_of_each_place, draw_instances

_COLOURS = mpl.colormaps["tab10"]
_NAMED = 2  # names in the title and the legend
_DRAWN = 8  # instances, the best of each place: more would hide each other
_SAME_PLACE = 0.5  # IoU


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
    _draw_activation(axes[1], trace, present)
    _draw_pieces(axes[2], axes[3], trace.pieces)
    axes[4].imshow(rgb)
    _draw_proposals(axes[4], trace.proposals)
    _draw_instances(axes[5], rgb, trace, names)
    FigureCanvasAgg(figure).print_png(str(path))


def _name_list(names: Sequence[str], scores: Sequence[float]) -> str:
    shown = [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return "\n".join(shown[:_NAMED]) + more if shown else "no name is present"


def _draw_activation(axis: Axes, trace: Trace, present: Sequence[str]) -> None:
    axis.set_title("activation", fontsize=9)
    canvas = np.ones((*trace.activation.active.shape[-2:], 3))
    for i, active in enumerate(trace.activation.active.cpu().numpy()):
        strength = trace.activation.similarity[i].cpu().numpy()[..., None] * active[..., None]
        canvas = canvas * (1 - strength) + np.array(_COLOURS(i % 10)[:3]) * strength
    axis.imshow(canvas.clip(0, 1))
    for i, name in enumerate(present[:_NAMED]):
        axis.text(
            0, -0.02 - 0.05 * i, name, color=_COLOURS(i % 10), transform=axis.transAxes, fontsize=7
        )


def _draw_pieces(boundary: Axes, pieces: Axes, drawn: Pieces) -> None:
    if drawn.boundary.is_floating_point():
        boundary.set_title("boundary strength", fontsize=9)
        boundary.imshow(drawn.boundary.cpu().numpy(), cmap="magma")
    else:
        boundary.set_title(f"{len(drawn.boundary.unique())} clusters", fontsize=9)
        boundary.imshow(drawn.boundary.cpu().numpy(), cmap="tab20", interpolation="nearest")
    pieces.set_title("pieces of objects", fontsize=9)
    label = drawn.label.cpu().numpy()
    kept = np.append(drawn.kept.cpu().numpy(), False)  # -1 is none
    label = np.where(kept[label], label + 1, 0).max(axis=0, initial=0)
    shuffled = np.where(label > 0, 1 + label * 7919 % 19, 0)
    pieces.imshow(
        np.ma.masked_equal(shuffled, 0), cmap="tab20", vmin=0, vmax=19, interpolation="nearest"
    )


def _draw_proposals(axis: Axes, proposals: Proposals) -> None:
    """Those of the first source, of which the pieces are."""
    first = proposals[proposals.source == 0]
    among = f" of {len(proposals)}" if len(first) < len(proposals) else ""
    axis.set_title(f"objects: {len(first)}{among}", fontsize=9)
    places = (first.box.tolist(), first.point.tolist(), first.category.tolist())
    for box, point, index in zip(*places, strict=True):
        _draw_box(axis, box, _COLOURS(index % 10))
        axis.plot(*point, "+", color=_COLOURS(index % 10))


def _draw_instances(axis: Axes, rgb: np.ndarray, trace: Trace, names: Sequence[str]) -> None:
    drawn = best_of_each_place(trace.instances, _SAME_PLACE)[:_DRAWN]
    axis.imshow(draw_instances(rgb, drawn, Metadata(thing_classes=list(names))))
    among = f" of {len(trace.instances)}" if len(drawn) < len(trace.instances) else ""
    axis.set_title(f"instances: the best {len(drawn)}{among}", fontsize=9)


def _draw_box(axis: Axes, box: Sequence[float], colour) -> None:
    x0, y0, x1, y1 = box
    axis.add_patch(
        Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.2)
    )
