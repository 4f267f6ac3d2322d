"""The course of a training as a picture."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

_BOOKKEEPING = {"step", "loss", "seconds", "from", "steps", "precision"}


def draw_curves(records: Sequence[dict], title: str) -> bytes:
    """Loss and metrics by step, as a PNG.

    Args:
        records: of ``curves.jsonl``; a step that was repeated after a kill counts once, as it was
            the last time.
        title: above the picture.
    """
    losses = {r["step"]: r["loss"] for r in records if "loss" in r}
    measured = {r["step"]: r for r in records if "step" in r and r.keys() - _BOOKKEEPING}
    names = dict.fromkeys(name for r in measured.values() for name in r if name != "step")
    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogy(list(losses), list(losses.values()), linewidth=1)
    left.set(xlabel="step", ylabel="training loss", title=title)
    for name in names:
        steps = [step for step, r in measured.items() if name in r]
        right.plot(steps, [measured[step][name] for step in steps], marker=".", label=name)
    right.set(xlabel="step", ylim=(0, 1), title="held-out pre-training scenes")
    if names:
        right.legend(fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    return file.getvalue()
