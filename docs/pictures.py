"""Draws the pictures of the documentation: a scene through every stage, and its masks.

    python docs/pictures.py

Run it again when the small networks or the scenes have changed.
"""

from pathlib import Path

from detectron2.data import MetadataCatalog

from zipseg import Prediction, Predictor
from zipseg.visualization.overlays import best_of_each_place
from zipseg.visualization.stage_panel import save_stage_panel
from zipseg.zipworld.scenes import ensure_rendered

FOLDER = Path(__file__).with_name("images")
CONFIG = "ZipWorld/zip_embedded.yaml"
CANDIDATES = 24  # scenes to choose from: the clearest, of instances that are all sure
SCORE = 0.3  # from which instances are drawn
OVERLAP = 0.5  # IoU of instances that would hide each other


def main() -> None:
    ensure_rendered("zipworld_mini")
    predictor = Predictor.from_config(CONFIG)
    scenes = sorted(Path(MetadataCatalog.get("zipworld_mini").image_root).glob("*.png"))
    found = predictor([str(path) for path in scenes[:CANDIDATES]])
    best = min(found, key=unclear)
    FOLDER.mkdir(exist_ok=True)
    panel = FOLDER / "stages.png"
    save_stage_panel(panel, best.image, best.stages, best.names)
    best.draw(score=SCORE, most=12, overlap=OVERLAP).save(FOLDER / "masks.jpg", quality=88)
    print(best.file_name, panel)


def unclear(found: Prediction) -> float:
    """How unsure the least sure instance is that is drawn, of four to eight."""
    seen = best_of_each_place(found.instances, OVERLAP)
    drawn = seen[seen.scores >= SCORE]
    return 1 - float(drawn.scores.min()) if 4 <= len(drawn) <= 8 else float("inf")


if __name__ == "__main__":
    main()
