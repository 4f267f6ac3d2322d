"""The attribution to look at: numbers, a plot, and pictures of the largest causes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...data.coco_format import GroundTruth
from ...utils.files import write_json
from ...utils.tables import markdown
from .causes import CAUSES, FOUND, MEANINGS, Fate, decode, largest_causes, summarise
from .stage_records import StageRecord, load_record

_PALETTE = "#93c47d #6fa8dc #9fc5e8 #45818e #76a5af #a994d8 #bba8e0 #cdbfea #e4dbf5 #f6b26b #e06666"
_COLOURS = dict(zip((FOUND, *CAUSES), _PALETTE.split(), strict=True))


def write_attribution(
    folder: str | Path,
    fates: Sequence[Fate],
    truth: GroundTruth,
    records: str | Path,
    read_image: Callable[[int], np.ndarray],
    examples: int = 3,
) -> dict[str, dict[str, float]]:
    """Write attribution.json, .md, .png and pictures of the three largest causes.

    Args:
        records: the folder of the stage records that ``fates`` came from.
        read_image: image id -> uint8 RGB [H, W, 3].
        examples: pictures of each cause; the largest objects lost to it, one an image.

    Returns:
        what ``causes.summarise`` returns.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(fates)
    write_json(
        folder / "attribution.json",
        {"meanings": MEANINGS, "percent": summary, "objects": [f._asdict() for f in fates]},
    )
    (folder / "attribution.md").write_text(_table(summary), encoding="utf-8")
    _plot(folder / "attribution.png", summary)
    for cause in largest_causes(summary):
        lost = sorted((f for f in fates if f.cause == cause), key=lambda f: (-f.area, f.row))
        one_an_image = {fate.image_id: fate for fate in reversed(lost)}
        chosen = sorted(one_an_image.values(), key=lambda f: (-f.area, f.row))[:examples]
        for number, fate in enumerate(chosen, start=1):
            record = load_record(Path(records) / f"{fate.image_id}.npz")
            path = folder / f"{cause}_{number}.png"
            _picture(path, fate, truth, record, read_image(fate.image_id))
    return summary


def _table(summary: Mapping[str, Mapping[str, float]]) -> str:
    keys = (FOUND, *CAUSES)
    rows = [
        [group, shares["objects"], *(f"{shares[key]:.1f} %" for key in keys)]
        for group, shares in summary.items()
    ]
    lines = [
        markdown(["", "objects", *keys], rows, numbers_from=1),
        "Every annotated object, crowds aside, has one fate, judged from the end of the method: "
        "found, lost at scoring, lost at the masks; without a right prompt, the first stage that "
        "made one impossible. False positives are no loss here.",
        "",
        *(f"- {fate}: {meaning}" for fate, meaning in MEANINGS.items()),
    ]
    return "\n".join(lines) + "\n"


def _plot(path: Path, summary: Mapping[str, Mapping[str, float]]) -> None:
    groups = [group for group in summary if not group.startswith("category")]
    figure = Figure(figsize=(9, 0.6 * len(groups) + 1.6), layout="constrained")
    axis = figure.subplots()
    left = np.zeros(len(groups))
    for key, colour in _COLOURS.items():
        width = np.array([summary[group][key] for group in groups])
        bars = axis.barh(groups, width, left=left, color=colour, label=key)
        axis.bar_label(bars, [f"{w:.0f}" if w >= 3 else "" for w in width], label_type="center")
        left += width
    axis.set(xlim=(0, 100), xlabel="annotated objects, %")
    axis.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=6, frameon=False)
    FigureCanvasAgg(figure).print_png(str(path))


def _picture(
    path: Path, fate: Fate, truth: GroundTruth, record: StageRecord, image: np.ndarray
) -> None:
    """The lost object; its name's activation; the pieces; its name's prompts; the instances."""
    height, width = image.shape[:2]
    lost = decode([truth.rles[fate.row]], height, width)[0]
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    figure.suptitle(f"{fate.cause}: {fate.name}, image {fate.image_id}")
    axes = figure.subplots(1, 5)
    for axis, title in zip(
        axes, ("object", "activated", "pieces", "prompts", "instances"), strict=True
    ):
        axis.imshow(image)
        axis.set_title(title, fontsize=9)
        axis.axis("off")
        axis.contour(lost, levels=[0.5], colors="white", linewidths=1.5)
    if fate.name in record.present:
        name = record.present.tolist().index(fate.name)
        _shade(axes[1], record.active[name], (height, width))
        for x0, y0, x1, y1 in record.object_box[record.object_name == name].tolist():
            frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color="red")
            axes[3].add_patch(frame)
        pieces = record.pieces[name if len(record.pieces) > 1 else 0]
        # Neighbouring numbers get unlike colours.
        colours = np.where(pieces < 0, np.nan, pieces * 7 % 20)
        place = {"extent": _extent((height, width)), "interpolation": "nearest"}
        axes[2].imshow(colours, cmap="tab20", vmin=0, vmax=19, alpha=0.6, **place)
    else:
        axes[1].set_title("name not judged present", fontsize=9)
    for mask in record.final_mask[record.final_name == fate.name]:
        _shade(axes[4], mask, (height, width))
    for axis in axes:
        axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    FigureCanvasAgg(figure).print_png(str(path))


def _extent(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where a map that covers an image of ``size`` (height, width) lies."""
    return (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)


def _shade(axis: Axes, mask: np.ndarray, size: tuple[int, int]) -> None:
    layer = np.zeros((*mask.shape, 4))
    layer[mask] = (1, 0.2, 0.2, 0.45)
    axis.imshow(layer, extent=_extent(size), interpolation="nearest")
