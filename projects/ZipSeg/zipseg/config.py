"""Every config key of ZipSeg, documented where it is defined.

Imports neither detectron2 nor torch: command lines look at keys before those are loaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectron2.config import CfgNode


def add_zip_config(cfg: CfgNode) -> None:
    """Adds ZipSeg's keys to a Detectron2 config, in place, and those of ``centernet2`` where that
    package is installed."""
    if find_spec("centernet"):
        from centernet.config import add_centernet_config

        add_centernet_config(cfg)
    add_own_keys(cfg)


def add_own_keys(cfg: CfgNode) -> None:
    """Adds ZipSeg's keys to a config that has the sections MODEL and INPUT; imports nothing.

    Where the released demo of the paper has a value, it is the default.
    """
    node = type(cfg)  # nodes of one config are of one class
    cfg.MODEL.ZIP = node()
    # The names to look for. Empty: `thing_classes` of the first test data set. Where that has any,
    # they must be the same; zipseg.use_names sets both. CLIP reads underscores as spaces.
    cfg.MODEL.ZIP.CLASS_NAMES = []
    # Run the networks in reduced precision (bfloat16 on CPU, float16 on CUDA); the stages and SAM's
    # prompts stay in full precision.
    cfg.MODEL.ZIP.AUTOCAST = False

    _add_networks(cfg.MODEL.ZIP)
    _add_stages(cfg.MODEL.ZIP)
    _add_evaluation(cfg)
    _add_training(cfg)

    # SAM alone, the baseline: segment everything, then name each mask. Its networks, names and
    # scores are those of MODEL.ZIP.
    cfg.MODEL.SAM_ALONE = node()
    cfg.MODEL.SAM_ALONE.POINTS_PER_SIDE = 32
    cfg.MODEL.SAM_ALONE.PRED_IOU_THRESH = 0.88
    cfg.MODEL.SAM_ALONE.STABILITY_SCORE_THRESH = 0.95

    # Images with more pixels than this are refused before they are decoded, and by Pillow above 179
    # million whatever this says. A mask takes a byte a pixel, for each instance.
    cfg.INPUT.MAX_PIXELS = 100_000_000


def _add_networks(zip_: CfgNode) -> None:
    node = type(zip_)  # nodes of one config are of one class
    # The CLIP with a ViT tower: image-level classification and dense tokens.
    zip_.SEMANTIC = node()
    # Any open_clip architecture with a ViT tower. Weights in OpenAI's format need the
    # "-quickgelu" names unless WEIGHTS is the tag "openai".
    zip_.SEMANTIC.ARCH = "ViT-B-16"
    # A pretrained tag of open_clip, a local checkpoint file (or a URL), "embedded" for the small
    # weights shipped with this package, or "random" for untrained weights.
    zip_.SEMANTIC.WEIGHTS = "openai"
    # The image is squeezed to this square (pixels, bicubic).
    zip_.SEMANTIC.INPUT_SIZE = 512
    # What becomes of the patch tokens in the last blocks, so that they say where a name is:
    # "surgery" (the paper: CLIP Surgery), or of the last block alone "maskclip", "sclip",
    # "clearclip" or "naclip", which were made for ACTIVATION.NORM "channels".
    zip_.SEMANTIC.PATH = "surgery"
    # How many of the last blocks CLIP Surgery's path goes through.
    zip_.SEMANTIC.SURGERY_BLOCKS = 6

    # The CLIP whose image tower gives the boundary prior: a ResNet, a ConvNeXt or a ViT.
    zip_.BOUNDARY = node()
    zip_.BOUNDARY.ARCH = "RN50x64"
    zip_.BOUNDARY.WEIGHTS = "openai"  # as SEMANTIC.WEIGHTS
    # Of ResNets "stem", "layer1" .. "layer4" (layer3 is the paper's conv4_x, stride 16), of
    # ConvNeXts "stage1" .. "stage4", of ViTs "block1" ..; or "stride16" for the last layer of that
    # stride. A wrong one lists those there are.
    zip_.BOUNDARY.LAYER = "layer3"
    # The short side is resized to this many pixels (bicubic), the long side never beyond MAX_SIZE.
    zip_.BOUNDARY.INPUT_SIZE = 2048
    zip_.BOUNDARY.MAX_SIZE = 8192
    # Inputs of more than eight times so many pixels run in strips of so many: the same features in
    # less memory. 0: never.
    zip_.BOUNDARY.STRIP_PIXELS = 262144

    # Masks for boxes and points.
    zip_.SEGMENTER = node()
    # "SegmentAnything", "MobileSAM", "SAM2" or "HQSAM"; the last two need
    # pip install 'zipseg[segmenters]'.
    zip_.SEGMENTER.NAME = "SegmentAnything"
    # SegmentAnything: "vit_b", "vit_l", "vit_h", or "zipworld", the small one of this package;
    # MobileSAM: "vit_t"; SAM2: "sam2.1_hiera_t", "_s", "_b+", "_l"; HQSAM: "vit_b", "vit_l",
    # "vit_h", "vit_tiny".
    zip_.SEGMENTER.TYPE = "vit_h"
    # Of SegmentAnything "auto" for the official checkpoint of TYPE, from the cache or downloaded
    # into it, or "embedded"; of all a local checkpoint file or a URL in the format of its authors,
    # or "random".
    zip_.SEGMENTER.WEIGHTS = "auto"
    # How many prompts are decoded at once, at most.
    zip_.SEGMENTER.PROMPT_BATCH = 64
    # Prompt with a point deep inside each object besides its box.
    zip_.SEGMENTER.USE_POINTS = False
    # How often it is prompted: after the first time with the boxes of its own masks.
    zip_.SEGMENTER.ROUNDS = 1
    # Boxes that overlap by this IoU or more are one prompt; 1: equal ones alone.
    zip_.SEGMENTER.SAME_BOX = 1.0

    zip_.TEXT = node()
    # Prompt templates with one "{}" each. Empty: the 85 of CLIP Surgery.
    zip_.TEXT.TEMPLATES = []
    # Where text embeddings are kept between runs. "": no cache on disk.
    zip_.TEXT.CACHE_DIR = "~/.cache/zipseg/text"


def _add_stages(zip_: CfgNode) -> None:
    node = type(zip_)  # nodes of one config are of one class
    # Which categories are present (image level).
    zip_.CLASSIFICATION = node()
    # "softmax" over all categories, or "sigmoid" of each on its own (CLIPs with a logit bias; for
    # others the empty string's similarity takes the bias's place).
    zip_.CLASSIFICATION.SCORE = "softmax"
    # Which CLIP classifies the image: "semantic" or "boundary", the one of that section.
    zip_.CLASSIFICATION.NETWORK = "semantic"
    # Pixels of a pass of its own for that. 0: "semantic" uses the class token of its dense pass,
    # "boundary" the size that its tower was made for.
    zip_.CLASSIFICATION.INPUT_SIZE = 0
    # Sides of the windows that this pass looks at, as shares of the image's: 1 is the whole image,
    # those of one size overlap by half (9 for 0.5). A category's score is the mean over sizes of
    # its best window's, so that small objects are seen from near.
    zip_.CLASSIFICATION.WINDOWS = [1.0]
    # A category is present when its score is at least this share of the best category's ...
    zip_.CLASSIFICATION.RELATIVE_THRESH = 0.1
    # ... and at least this; at most so many go on, which bounds the cost for 1,203 names.
    zip_.CLASSIFICATION.MIN_SCORE = 0.0
    zip_.CLASSIFICATION.MAX_CATEGORIES = 20

    # CLIP Surgery's similarity and the activated region of each present category.
    zip_.ACTIVATION = node()
    # What is subtracted from a category's similarity: "empty_text" (the demo: the empty string's),
    # or "mean_category" (CLIP Surgery for several at once: the weighted mean over all categories).
    zip_.ACTIVATION.REDUNDANCY = "empty_text"
    # "tokens" divides each channel by its norm over the token axis as the demo does: the release's
    # measured behaviour, hence the default. "channels" is the usual cosine similarity.
    zip_.ACTIVATION.NORM = "tokens"
    # Active where the similarity exceeds this multiple of its mean over the image.
    zip_.ACTIVATION.THRESH = 0.7
    # ... and this value between the least and the highest similarity of the image, 0..1.
    zip_.ACTIVATION.MIN_SIMILARITY = 0.0
    # A cell is active for the most similar of the present categories only.
    zip_.ACTIVATION.EXCLUSIVE = False
    # Cells of the activation's grid along one of the features'; more than 1 is for all but
    # "Clusters". All lengths and areas of discovery are in cells of the activation's grid.
    zip_.ACTIVATION.FINE = 1

    # "Clusters": K-Means, fragments, selection, regrouping (the paper), the next four sections;
    # "Watershed": the gradient of the same features as a soft boundary map; "Silhouette": that and
    # the regions' own shape; "Points": points all over the regions, which prompt the segmenter
    # without any boundary. Or another of DISCOVERY_REGISTRY, or several joined by "+", whose
    # proposals are all candidates.
    zip_.DISCOVERY = node()
    zip_.DISCOVERY.NAME = "Clusters"
    zip_.DISCOVERY.MIN_AREA = 100  # smaller objects are removed, cells
    # Objects are looked for in all that exceeds each of these similarities, 0..1, as well.
    zip_.DISCOVERY.LEVELS = []

    zip_.CLUSTERING = node()
    zip_.CLUSTERING.K = 20
    # Initial centres: "grid" (the demo: evenly spaced cells) or "semantic" (activations decide).
    zip_.CLUSTERING.CENTRES = "grid"
    zip_.CLUSTERING.MAX_ITERATIONS = 100
    zip_.CLUSTERING.RTOL = 1e-5  # centres closer than this to their last place have converged

    zip_.SELECTION = node()
    # theta_1: a fragment is kept when more than this share of it is activated ...
    zip_.SELECTION.ACTIVATION_SHARE = 0.3
    # ... and its boundary score passes: "box_area" (the demo: area of the bounding box / area below
    # theta_2) or "inscribed_radius" (the largest inscribed circle of at least MIN_RADIUS cells).
    zip_.SELECTION.BOUNDARY_RULE = "box_area"
    zip_.SELECTION.BOUNDARY_SCORE = 3.0  # theta_2
    zip_.SELECTION.MIN_RADIUS = 2.0
    # A category's fragments come from the clusters among so many most common values of (cluster +
    # 1) x activated: with 20 the demo passes over the rarest of 20 clusters. 0: from all clusters.
    zip_.SELECTION.MOST_COMMON = 0

    zip_.REGROUPING = node()
    zip_.REGROUPING.DILATION = 0  # cells by which objects grow back over the rims that were removed

    zip_.WATERSHED = node()
    # Cells above this quantile of boundary strength within the activated region are boundary.
    zip_.WATERSHED.QUANTILE = 0.75
    zip_.WATERSHED.SMOOTHING = 1.0  # sigma of the Gaussian over the boundary map, cells
    # Cores lie at least this many cells from any boundary cell. The regions are shared out anew for
    # each of these radii, and all objects are candidates: predicted IoU and the suppression of
    # duplicates choose. 1000 gives the connected regions as they are.
    zip_.WATERSHED.RADII = (3.5,)

    zip_.SILHOUETTE = node()
    zip_.SILHOUETTE.QUANTILE = 0.75  # as WATERSHED's, and so is the next
    zip_.SILHOUETTE.SMOOTHING = 1.0
    # Cores are the peaks of depth that stand out by so many powers of two; several as with RADII.
    zip_.SILHOUETTE.PROMINENCES = (0.2,)

    zip_.POINTS = node()
    zip_.POINTS.SPACING = 8  # of their grid, cells

    # What a mask is worth: the product of these to the powers that are given; 0 leaves one out.
    # The paper has the predicted IoU alone.
    zip_.RATING = node()
    zip_.RATING.PREDICTED_IOU = 1.0
    zip_.RATING.INSIDE = 0.0  # share of the mask in its category's activated region
    zip_.RATING.RIM = 0.0  # how strong the boundary is along its outline, beside that within
    zip_.RATING.AGREEMENT = 0.0  # how many other candidates are much the same

    zip_.SCORING = node()
    zip_.SCORING.NMS_IOU = "box"  # or "mask": what duplicates are told by
    zip_.SCORING.NMS_THRESH = 0.7  # IoU within a category; the cap is TEST.DETECTIONS_PER_IMAGE
    # Suppress duplicates of any category by each other: an object has one.
    zip_.SCORING.NMS_CLASS_AGNOSTIC = False
    # CLIP's part of an object's score: "image" (the paper: its category's for the whole image),
    # "crop" (for the masked crop, by the CLIP that classifies images) or "both", their geometric
    # mean.
    zip_.SCORING.CATEGORY_SCORE = "image"
    zip_.SCORING.CROP_SIZE = 0  # pixels of a crop's side; 0: the size that the tower was made for
    zip_.SCORING.MIN_SCORE = 0.0


def _add_evaluation(cfg: CfgNode) -> None:
    node = type(cfg)  # nodes of one config are of one class
    cfg.EVALUATION = node()
    # Any of "coco" (class-aware), "class_agnostic" (as CutLER and SAM are compared),
    # "open_vocabulary" (novel, base and all categories: COCO's 48/17 split, or `unseen_names` of
    # the metadata) and "lvis" (LVIS v1's federated rules; set TEST.DETECTIONS_PER_IMAGE to 300).
    cfg.EVALUATION.PROTOCOLS = ("coco",)


def _add_training(cfg: CfgNode) -> None:
    """Adds ``cfg.TRAINING``."""
    node = type(cfg)  # nodes of one config are of one class
    training = cfg.TRAINING = node()
    # Entries of DATASETS.TRAIN and DATASETS.TEST that end in ".json" are COCO-format files, such as
    # the labels.json of `zipseg label`. Their images lie below this folder. "":
    # where the file says that its images were when they were labelled, or else beside the file.
    # These paths may hold environment variables, such as $DETECTRON2_DATASETS.
    training.IMAGE_ROOT = ""
    # The batch size (of all GPUs) that SOLVER's and TEST's numbers of iterations and BASE_LR are
    # meant for. When SOLVER.IMS_PER_BATCH differs, they follow it by Detectron2's rule for
    # SOLVER.REFERENCE_WORLD_SIZE, which itself follows the number of GPUs only. 0: they stay.
    training.REFERENCE_BATCH_SIZE = 0
    # The schedules of `zipseg train --percent P`, one row a share of the labels: P, SOLVER.BASE_LR,
    # STEPS and MAX_ITER. These are for 16 images of COCO: CutLER's for its 1 and 2 %, then 12
    # epochs of the share, with its learning rate up to 20 %.
    training.SHARES = [
        [1, 0.04, [2400, 3200], 3600],
        [2, 0.04, [2400, 3200], 3600],
        [5, 0.04, [3000, 4000], 4500],
        [10, 0.04, [6000, 8000], 9000],
        [20, 0.04, [12000, 16000], 18000],
        [50, 0.02, [30000, 40000], 45000],
        [100, 0.02, [60000, 80000], 90000],
    ]
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
    training.CLIP_HEAD = node()
    training.CLIP_HEAD.IN_FEATURE = "res2"
    training.CLIP_HEAD.CONTEXT = 1.2
    _add_noisy_label_parts(training)


def _add_noisy_label_parts(training: CfgNode) -> None:
    """What noisy labels need; each is off by default and works without the others.

    DROP_LOSS and SCORE_WEIGHTS need MODEL.ROI_HEADS.NAME "NoisyROIHeads" or "ClipROIHeads" (Mask
    R-CNN), "NoisyCascadeROIHeads" (Cascade Mask R-CNN) or "NoisyCenterNet2ROIHeads"; SCORE_WEIGHTS
    also MODEL.ROI_MASK_HEAD.NAME "WeightedMaskHead"; IGNORE_BAND also MODEL.PROPOSAL_GENERATOR.NAME
    "NoisyRPN" or "NoisyCenterNet". With its part off, each of these is Detectron2's.
    """
    node = type(training)  # nodes of one config are of one class
    # DropLoss (CutLER, CVPR 2023, eq. 4): no box loss for proposals whose largest IoU with the
    # labels of their image is at most IOU, since they may hold an object without a label.
    training.DROP_LOSS = node()
    training.DROP_LOSS.ENABLED = False
    training.DROP_LOSS.IOU = 0.01
    # Box and mask losses of a matched proposal count as much as its label's score, 0..1.
    training.SCORE_WEIGHTS = node()
    training.SCORE_WEIGHTS.ENABLED = False
    # Labels with a score in [LOW, HIGH) are neither objects nor background: anchors and proposals
    # that would match them (by RPN's and ROI_HEADS' IOU_THRESHOLDS; for CenterNet, points within
    # their boxes) are left out of the losses. Those below LOW are removed. (0, 0): all are objects.
    training.IGNORE_BAND = node()
    training.IGNORE_BAND.LOW = 0.0
    training.IGNORE_BAND.HIGH = 0.0
    # Simple copy-paste (Ghiasi et al., CVPR 2021) in CutLER's form: a random choice of the objects
    # of the next image of the batch, which has to have two, each at a random size and place.
    training.COPY_PASTE = node()
    training.COPY_PASTE.PROBABILITY = 0.0  # of an image to get objects
    training.COPY_PASTE.SCALE = (0.5, 1.0)  # of a pasted object's sides, relative to its own
    training.COPY_PASTE.MIN_VISIBLE = 0.1  # labels covered beyond this share of their area go
    # The exponential moving average of the weights takes the place of the weights in evaluations
    # and in the checkpoints' "model"; the student's own are kept beside it. 0: no average.
    training.EMA = node()
    training.EMA.DECAY = 0.0  # per iteration; shorter in the first iterations
