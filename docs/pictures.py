"""Draws the pictures of the documentation: a scene through every stage, and its masks.

    python docs/pictures.py

Run it again when the small networks or the scenes have changed.
"""

from pathlib import Path

from detectron2.data import MetadataCatalog

from zipseg import Predictor
from zipseg.visualization.stage_panel import save_stage_panel
from zipseg.zipworld.scenes import ensure_rendered

FOLDER = Path(__file__).with_name("images")
CONFIG = "ZipWorld/zip_embedded.yaml"
CANDIDATES = 24  # scenes to choose from: the clearest, of few instances, sure ones


def main() -> None:
    ensure_rendered("zipworld_mini")
    predictor = Predictor.from_config(CONFIG)
    scenes = sorted(Path(MetadataCatalog.get("zipworld_mini").image_root).glob("*.png"))
    found = predictor([str(path) for path in scenes[:CANDIDATES]])
    several = [each for each in found if len(each.instances) > 3]
    best = min(
        several, key=lambda each: len(each.instances) - 10 * each.instances.scores[:4].mean()
    )
    FOLDER.mkdir(exist_ok=True)
    panel = FOLDER / "stages.png"
    save_stage_panel(panel, best.image, best.stages, best.names)
    best.draw(score=0.3, most=12).save(FOLDER / "masks.jpg", quality=88)
    print(best.file_name, panel)


if __name__ == "__main__":
    main()
