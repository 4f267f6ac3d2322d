"""Every config key of training, documented where it is defined."""

from importlib.util import find_spec

from detectron2.config import CfgNode as CN


def add_training_config(cfg: CN) -> None:
    """Adds ``cfg.TRAINING`` and, where the ``centernet2`` package is installed, its keys."""
    if find_spec("centernet"):
        from centernet.config import add_centernet_config

        add_centernet_config(cfg)
    training = cfg.TRAINING = CN()
    # Entries of DATASETS.TRAIN and DATASETS.TEST that end in ".json" are COCO-format files, such as
    # the labels.json of tools/generate_pseudo_labels.py. Their images lie below this folder. "":
    # where the file says that its images were when they were labelled, or else beside the file.
    # These paths may hold environment variables, such as $DETECTRON2_DATASETS.
    training.IMAGE_ROOT = ""
    # The batch size (of all GPUs) that SOLVER's and TEST's numbers of iterations and BASE_LR are
    # meant for. When SOLVER.IMS_PER_BATCH differs, they follow it by Detectron2's rule for
    # SOLVER.REFERENCE_WORLD_SIZE, which itself follows the number of GPUs only. 0: they stay.
    training.REFERENCE_BATCH_SIZE = 0
    # "SGD" is Detectron2's; "AdamW" learns a small detector from random weights in far fewer steps.
    # SOLVER.BASE_LR, WEIGHT_DECAY, WEIGHT_DECAY_NORM and CLIP_GRADIENTS are meant for either.
    training.OPTIMIZER = "SGD"
    # One class for everything: set MODEL.ROI_HEADS.NUM_CLASSES to 1 and EVALUATION.PROTOCOLS to
    # ("class_agnostic",). For masks alone there is Detectron2's ROI_MASK_HEAD.CLS_AGNOSTIC_MASK.
    training.CLASS_AGNOSTIC = False
    # Flip half of the images vertically, besides INPUT.RANDOM_FLIP: for scenes without an up.
    training.VERTICAL_FLIP = False
    # The box head of MODEL.ROI_HEADS.NAME "ClipROIHeads": the layers of MODEL.ZIP.BOUNDARY's CLIP
    # after IN_FEATURE ("stem" to "res4", one of MODEL.RESNETS.OUT_FEATURES), over boxes CONTEXT
    # times as wide and high. MODEL.ROI_BOX_HEAD's POOLER_RESOLUTION, CONV_DIM and FC_DIM count.
    training.CLIP_HEAD = CN()
    training.CLIP_HEAD.IN_FEATURE = "res2"
    training.CLIP_HEAD.CONTEXT = 1.2
    _add_parts(training)


def _add_parts(training: CN) -> None:
    """What noisy labels need; each is off by default and works without the others.

    DROP_LOSS and SCORE_WEIGHTS need MODEL.ROI_HEADS.NAME "NoisyROIHeads" or "ClipROIHeads" (Mask
    R-CNN), "NoisyCascadeROIHeads" (Cascade Mask R-CNN) or "NoisyCenterNet2ROIHeads"; SCORE_WEIGHTS
    also MODEL.ROI_MASK_HEAD.NAME "WeightedMaskHead"; IGNORE_BAND also MODEL.PROPOSAL_GENERATOR.NAME
    "NoisyRPN" or "NoisyCenterNet". With its part off, each of these is Detectron2's.
    """
    # DropLoss (CutLER, CVPR 2023, eq. 4): no box loss for proposals whose largest IoU with the
    # labels of their image is at most IOU, since they may hold an object without a label.
    training.DROP_LOSS = CN()
    training.DROP_LOSS.ENABLED = False
    training.DROP_LOSS.IOU = 0.01
    # Box and mask losses of a matched proposal count as much as its label's score, 0..1.
    training.SCORE_WEIGHTS = CN()
    training.SCORE_WEIGHTS.ENABLED = False
    # Labels with a score in [LOW, HIGH) are neither objects nor background: anchors and proposals
    # that would match them (by RPN's and ROI_HEADS' IOU_THRESHOLDS; for CenterNet, points within
    # their boxes) are left out of the losses. Those below LOW are dropped. (0, 0): all are objects.
    training.IGNORE_BAND = CN()
    training.IGNORE_BAND.LOW = 0.0
    training.IGNORE_BAND.HIGH = 0.0
    # Simple copy-paste (Ghiasi et al., CVPR 2021) in CutLER's form: a random choice of the objects
    # of the next image of the batch, which has to have two, each at a random size and place.
    training.COPY_PASTE = CN()
    training.COPY_PASTE.PROBABILITY = 0.0  # of an image to get objects
    training.COPY_PASTE.SCALE = (0.5, 1.0)  # of a pasted object's sides, relative to its own
    training.COPY_PASTE.MIN_VISIBLE = 0.1  # labels covered beyond this share of their area go
    # The exponential moving average of the weights takes the place of the weights in evaluations
    # and in the checkpoints' "model"; the student's own are kept beside it. 0: no average.
    training.EMA = CN()
    training.EMA.DECAY = 0.0  # per iteration; shorter in the first iterations
