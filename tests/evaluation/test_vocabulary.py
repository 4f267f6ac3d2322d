import pytest
from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES

from zipseg.evaluation.vocabulary import COCO_BASE, COCO_NOVEL, split_vocabulary
from zipseg.utils.errors import ZipSegError

NAMES = [c["name"] for c in COCO_CATEGORIES if c["isthing"]]


def test_cocos_split_is_48_base_and_17_novel():
    assert (len(set(COCO_BASE)), len(set(COCO_NOVEL))) == (48, 17)
    assert not set(COCO_BASE) & set(COCO_NOVEL)
    split = split_vocabulary(NAMES)
    assert set(split.base) == set(COCO_BASE)
    assert set(split.novel) == set(COCO_NOVEL)


def test_unseen_names_against_the_rest():
    split = split_vocabulary(["red star", "blue star", "red ring"], unseen={"red ring"})
    assert split == (("red star", "blue star"), ("red ring",))


@pytest.mark.parametrize("unseen", [(), ("green cube",)])
def test_no_split_is_said(unseen):
    with pytest.raises(ZipSegError, match="no open-vocabulary split for shapes"):
        split_vocabulary(["red star", "blue star"], unseen, "shapes")
