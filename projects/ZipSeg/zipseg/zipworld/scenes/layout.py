"""Where the objects of a scene lie: clusters of one name that touch, and lone ones."""

from typing import NamedTuple

import numpy as np

from .ground import SIDE
from .shapes import BRICK, COS, FIXED, SIN, coverage, draw_outline
from .splits import CATEGORY_NAMES, UNSEEN_NAMES

_MAX_OBJECTS = 14  # where groups stop growing; the first of a last name may still be added
_MIN_AREA = 250  # visible pixels
_SMALLEST = 40  # pixels, where a cluster begins
_MIN_VISIBLE = 50  # percent of the whole shape
_ANY = np.arange(len(CATEGORY_NAMES))
_SEEN = np.array([i for i, name in enumerate(CATEGORY_NAMES) if name not in UNSEEN_NAMES])


class Placed(NamedTuple):
    """One object: ``coverage`` uint8 [h, w] whose upper left pixel lies at (x, y)."""

    category: int
    size: int
    angle: int
    coverage: np.ndarray
    x: int
    y: int

    def window(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Slices of the canvas that the object covers, and the same part of ``coverage``."""
        h, w = self.coverage.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + h, SIDE), min(self.x + w, SIDE)
        return (slice(top, bottom), slice(left, right)), (
            slice(top - self.y, bottom - self.y),
            slice(left - self.x, right - self.x),
        )


class Layout:
    """Objects placed so far, each on top of those before it.

    ``owner`` int16 [SIDE, SIDE] is the index of the object seen at each pixel, -1 for ground.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.objects: list[Placed] = []
        self.owner = np.full((SIDE, SIDE), -1, np.int16)
        self._whole: list[int] = []
        self._seen: list[int] = []

    def draw(self, category: int, size: int, angle: int) -> Placed:
        """A new object, not placed yet."""
        low = 50 if self.rng.integers(0, 4) == 0 else 75  # now and then an elongated one
        aspect = int(self.rng.integers(low, 101))
        outline = draw_outline(self.rng)
        return Placed(category, size, angle, coverage(outline, size, angle, aspect), 0, 0)

    def centred(self, item: Placed, x: int, y: int) -> Placed:
        h, w = item.coverage.shape
        return item._replace(x=x - w // 2, y=y - h // 2)

    def hidden(self, item: Placed) -> int:
        """Pixels of earlier objects that ``item`` would hide."""
        canvas, local = item.window()
        return int(np.count_nonzero((item.coverage[local] > 127) & (self.owner[canvas] >= 0)))

    def add(self, item: Placed) -> bool:
        """Place ``item`` unless something would be left with too little to see."""
        canvas, local = item.window()
        inside = item.coverage[local] > 127
        area, whole = np.count_nonzero(inside), np.count_nonzero(item.coverage > 127)
        owners = self.owner[canvas][inside]
        lost = np.bincount(owners[owners >= 0], minlength=len(self.objects))
        left = np.array(self._seen, np.int64) - lost
        enough = left * 100 >= np.array(self._whole, np.int64) * _MIN_VISIBLE
        if area * 100 < whole * 85 or area < _MIN_AREA:
            return False
        if not (enough & (left >= _MIN_AREA)).all():
            return False
        self.owner[canvas][inside] = len(self.objects)
        self.objects.append(item)
        self._whole.append(whole)
        self._seen = [*left.tolist(), int(area)]
        return True

    def add_lone(self, category: int, size: int, overlap: int) -> bool:
        """Place an object that hides at most ``overlap`` percent of its own area of others."""
        item = self.draw(category, size, int(self.rng.integers(0, 360)))
        area = np.count_nonzero(item.coverage > 127)
        for _ in range(12):
            x, y = self.rng.integers(size * 3 // 8, SIDE - size * 3 // 8, 2).tolist()
            trial = self.centred(item, x, y)
            if self.hidden(trial) * 100 <= area * overlap and self.add(trial):
                return True
        return False

    def add_touching(self, category: int, size: int, first: int) -> bool:
        """Slide an object towards the middle of the group that starts at object ``first``.

        It stops where it hides a little of what it meets. Groups are compact and half of their
        members lie square to the first, so that the silhouette of a group does not tell where
        its members meet.
        """
        aligned = self.rng.integers(0, 100) < 50
        turn = self.objects[first].angle if aligned else int(self.rng.integers(0, 360))
        item = self.draw(category, size, turn)
        area = np.count_nonzero(item.coverage > 127)
        boxes = [(o.x, o.y, *o.coverage.shape) for o in self.objects[first:]]
        middle_x = sum(2 * x + w for x, _, _, w in boxes) // (2 * len(boxes))
        middle_y = sum(2 * y + h for _, y, h, _ in boxes) // (2 * len(boxes))
        for _ in range(8):
            angle, goal = int(self.rng.integers(0, 360)), int(self.rng.integers(8, 38))
            if aligned:
                angle = (turn + angle // 90 * 90) % 360
            for distance in range(SIDE, 0, -max(2, size // 12)):
                x = middle_x + distance * int(COS[angle]) // FIXED
                y = middle_y + distance * int(SIN[angle]) // FIXED
                if not (0 <= x < SIDE and 0 <= y < SIDE):
                    continue
                trial = self.centred(item, x, y)
                if self.hidden(trial) * 100 >= area * goal:
                    if self.add(trial):
                        return True
                    break
        return False


def _simple(layout: Layout, names: np.ndarray) -> None:
    """One to three large objects, so that single names can be learnt."""
    rng = layout.rng
    kinds = rng.permutation(names)[: int(rng.integers(1, 3))]
    for number in range(int(rng.integers(1, 4))):
        category = int(kinds[number % len(kinds)])
        if not layout.add_lone(category, int(rng.integers(60, 150)), 12) and not number:
            layout.add(layout.centred(layout.draw(category, 120, 0), SIDE // 2, SIDE // 2))


def _cluster(layout: Layout, category: int, size: int, count: int) -> None:
    """``count`` objects of one name, packed so that each touches an earlier one."""
    rng, first = layout.rng, len(layout.objects)
    if not layout.add_lone(category, size, 10):
        return
    for _ in range(count - 1):
        near = min(120, max(_SMALLEST, size * int(rng.integers(75, 126)) // 100))
        layout.add_touching(category, near, first)


def _tiling(layout: Layout, category: int, size: int, count: int) -> None:
    """``count`` bricks of one name side by side, in a row or in two: their common outline has no
    notch between them."""
    rng = layout.rng
    angle, aspect = int(rng.integers(0, 360)), int(rng.integers(55, 101))
    brick = Placed(category, size, angle, coverage(BRICK, size, angle, aspect), 0, 0)
    # The sides of BRICK are 108 * sqrt(2) / 200 of the size; a pixel of overlap leaves no gap.
    long, short = size * 764 // 1000 - 1, size * aspect * 764 // 100_000 - 1
    columns = (count + 1) // 2 if count > 3 or rng.integers(0, 3) == 0 else count
    for _ in range(12):
        x, y = rng.integers(size // 2, SIDE - size // 2, 2).tolist()
        before = len(layout.objects)
        for place in range(count):
            across, along = divmod(place, columns)
            # Rows stack along the short side; a row itself runs along it if there is but one.
            u, v = (along * long, across * short) if columns < count else (0, along * short)
            dx = (u * int(COS[angle]) - v * int(SIN[angle])) // FIXED
            dy = (u * int(SIN[angle]) + v * int(COS[angle])) // FIXED
            trial = layout.centred(brick, x + dx, y + dy)
            if place == 0 and layout.hidden(trial):
                break
            if 0 <= x + dx < SIDE and 0 <= y + dy < SIDE:
                layout.add(trial)
        if len(layout.objects) > before:
            return


def _crowded(layout: Layout, names: np.ndarray) -> None:
    """One to four names; most come as clusters, some as lone objects, small ones besides."""
    rng = layout.rng
    kinds = rng.permutation(names)[: (1, 1, 2, 2, 2, 3, 3, 3, 4, 4)[int(rng.integers(0, 10))]]
    for position, category in enumerate(kinds.tolist()):
        left = _MAX_OBJECTS - len(layout.objects)
        clustered = rng.integers(0, 100) < (95 if position == 0 else 80)
        count = min(left, (2, 3, 3, 4, 4, 5)[int(rng.integers(0, 6))]) if clustered else 1
        largest = 150 - 12 * len(kinds) - 8 * count
        size = _SMALLEST + (largest - _SMALLEST) * int(rng.integers(0, 100)) // 100
        tiled = count > 1 and rng.integers(0, 100) < 40
        (_tiling if tiled else _cluster)(layout, category, size, count)
    for _ in range((0, 0, 1, 1, 2)[int(rng.integers(0, 5))]):
        if layout.objects and len(layout.objects) < _MAX_OBJECTS:
            other = layout.objects[int(rng.integers(0, len(layout.objects)))].category
            layout.add_lone(other, int(rng.integers(_SMALLEST - 8, _SMALLEST + 8)), 20)


def arrange(rng: np.random.Generator, pretraining: bool) -> Layout:
    """Layout of one scene with at least one object.

    Pre-training scenes have no ``UNSEEN_NAMES`` and are simple more often.
    """
    layout = Layout(rng)
    names, share = (_SEEN, 35) if pretraining else (_ANY, 6)
    simple = rng.integers(0, 100) < share
    (_simple if simple else _crowded)(layout, names)
    if not layout.objects:
        _simple(layout, names)
    return layout
