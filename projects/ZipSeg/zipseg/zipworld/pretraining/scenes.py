"""Pre-rendered scenes of a split in memory-mapped files, each rendered once."""

import fcntl
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ..scenes import render_scene

_CHUNK = 250  # scenes rendered at a time
_SIDE = 256
_MOST_OBJECTS = 16


class SceneBank:
    """The scenes of some seeds.

    ``image`` uint8 [count, 256, 256, 3] RGB; ``owner`` int8 [count, 256, 256], the object seen at
    each pixel, -1 for ground; ``category`` int8 [count, 16], the objects' categories, then -1.

    Args:
        root: folder of the files, which are named by the seeds.
        seeds: consecutive scene seeds.
    """

    def __init__(self, root: Path, seeds: range):
        self.seeds, self.count = seeds, len(seeds)
        self.folder = Path(root) / f"{seeds.start}-{self.count}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._done: set[int] = set()
        self.image = self._file("image", np.uint8, (_SIDE, _SIDE, 3))
        self.owner = self._file("owner", np.int8, (_SIDE, _SIDE))
        self.category = self._file("category", np.int8, (_MOST_OBJECTS,))

    def _file(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.memmap:
        path = self.folder / name
        size = self.count * int(np.prod(shape)) * np.dtype(dtype).itemsize
        with open(path, "ab") as file:  # sparse until written; a second process changes nothing
            if file.tell() < size:
                file.truncate(size)
        return np.memmap(path, dtype, "r+", shape=(self.count, *shape))

    def render(self, workers: int = 1) -> None:
        """Render all that is missing; may be killed and called again."""
        starts = range(0, self.count, _CHUNK)
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(partial(_ensure, self.folder.parent, self.seeds), starts))

    def ensure(self, scenes: np.ndarray) -> None:
        """Render those of ``scenes`` (int [B]) that are missing, with all of their chunk."""
        for start in np.unique(scenes // _CHUNK * _CHUNK).tolist():
            if start not in self._done:
                self._ensure_chunk(start)
                self._done.add(start)

    def _ensure_chunk(self, start: int) -> None:
        note = self.folder / f"{start}.done"
        with open(self.folder / f"{start}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one process renders, the others wait
            if not note.exists():
                for index in range(start, min(start + _CHUNK, self.count)):
                    self._render(index)
                for array in (self.image, self.owner, self.category):
                    array.flush()
                note.touch()

    def _render(self, index: int) -> None:
        scene = render_scene(self.seeds[index])
        self.image[index] = scene.image
        self.owner[index] = np.where(scene.masks.any(0), scene.masks.argmax(0), -1)
        self.category[index] = -1
        self.category[index, : len(scene.categories)] = scene.categories


def _ensure(root: Path, seeds: range, start: int) -> None:
    SceneBank(root, seeds).ensure(np.array([start]))


def sample(step: int, batch: int, count: int, seed: int) -> np.ndarray:
    """Scenes of one training step, int64 [batch].

    Every scene comes once an epoch. The first epoch is in order, so that training can begin while
    later scenes are still being rendered; each further epoch has a random order of its own.
    """
    positions = np.arange(step * batch, (step + 1) * batch)
    epochs = positions // count
    scenes = positions % count
    for epoch in np.unique(epochs[epochs > 0]):
        order = np.random.default_rng([seed, int(epoch)]).permutation(count)
        scenes[epochs == epoch] = order[scenes[epochs == epoch]]
    return scenes
