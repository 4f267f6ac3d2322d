"""Which image of one file is which of another's."""

import pytest

from zipseg.data.coco_format import match_images
from zipseg.data.coco_format.values import Unusable


def test_equal_ids_are_the_same_images_if_names_agree():
    ours = [(1, "task1/frame.png"), (2, "task2/frame.png"), (3, "")]
    theirs = [(1, "images/task1/frame.png"), (2, "frame.png"), (3, "x.png"), (4, "y.png")]
    assert match_images(ours, theirs) == {1: 1, 2: 2, 3: 3}
    assert match_images([(7, "a.png")], [(7, "old/a.jpg")]) == {7: 7}


def test_other_ids_are_matched_by_the_ends_of_paths():
    ours = [(1, "b/frame.png"), (2, "a/frame.png"), (3, "only_here.png")]
    theirs = [(1, "in/a/frame.png"), (2, "in/b/frame.png"), (3, "else.png")]
    assert match_images(ours, theirs) == {1: 2, 2: 1}
    assert match_images([(5, "train2017\\9.jpg")], [(9, "9.jpg")]) == {5: 9}


def test_what_fits_several_is_refused():
    theirs = [(10, "x/a/frame.png"), (20, "x/b/frame.png")]
    with pytest.raises(Unusable, match=r"image 1 \(frame.png\) may be any of x/a/.*x/b/"):
        match_images([(1, "frame.png"), (10, "y.png")], theirs)
    with pytest.raises(Unusable, match=r"images 1 \(p/a.png\) and 2 \(q/a.png\) both fit a.png"):
        match_images([(1, "p/a.png"), (2, "q/a.png")], [(2, "z.png"), (3, "a.png")])


def test_images_whose_id_the_others_lack_are_found_by_name():
    """A file to which images were added, with ids of another counting."""
    ours = [(1, "a.png"), (70, "in/b.png"), (71, "x/c.png"), (72, "")]
    theirs = [(1, "a.png"), (2, "b.png"), (3, "y/c.png"), (4, "d.png")]
    assert match_images(ours, theirs) == {1: 1, 70: 2}


def test_accented_letters_are_the_same_in_one_character_or_two():
    assert match_images([(5, "cafe\u0301.png")], [(9, "in/caf\u00e9.png")]) == {5: 9}
