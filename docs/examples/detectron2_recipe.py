"""Detectron2's own recipe with Zip: nothing of zipseg's but its config and its architecture.

python docs/examples/detectron2_recipe.py IMAGE ANNOTATIONS.json IMAGE_FOLDER OUT
"""

import sys

import cv2
from detectron2.config import get_cfg
from detectron2.data import MetadataCatalog, build_detection_test_loader
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultPredictor
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.modeling import build_model
from detectron2.utils.visualizer import Visualizer

from zipseg import add_zip_config, get_config_file


def main(image: str, annotations: str, folder: str, output: str, *opts: str) -> dict:
    register_coco_instances("my_photographs", {}, annotations, folder)

    cfg = get_cfg()
    add_zip_config(cfg)
    cfg.merge_from_file(get_config_file("COCO/zip_RN50_ViT-B-16_SAM-ViT-B.yaml"))
    cfg.merge_from_list(list(opts))
    cfg.DATASETS.TEST = ("my_photographs",)  # Zip looks for the names of this data set

    predictor = DefaultPredictor(cfg)
    picture = cv2.imread(image)
    instances = predictor(picture)["instances"].to("cpu")
    drawing = Visualizer(picture[:, :, ::-1], MetadataCatalog.get("my_photographs"))
    drawn = drawing.draw_instance_predictions(instances).get_image()
    cv2.imwrite(f"{output}/out.jpg", drawn[:, :, ::-1])

    loader = build_detection_test_loader(cfg, "my_photographs")
    evaluator = COCOEvaluator("my_photographs", output_dir=output, use_fast_impl=False)
    return inference_on_dataset(build_model(cfg).eval(), loader, evaluator)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
