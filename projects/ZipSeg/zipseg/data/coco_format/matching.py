"""Which image of one file is which of another's: by id, else by the ends of their paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from unicodedata import normalize

from .opening import FormatError
from .values import Unusable

Named = tuple[int, str]  # an image's id and file_name, "" where there is none


def match_images(images: Sequence[Named], others: Sequence[Named]) -> dict[int, int]:
    """Ids of ``images`` -> ids of the same images among ``others``, those that are found there.

    Equal ids are the same image if no image's name speaks against that: of two names for an id one
    has to be the end of the other, folder by folder, the suffix aside. Images whose id the others
    lack are looked up by name among the rest. If any name speaks against its id, ids were given
    in another order or for other images, and names decide alone: the other image of the same name,
    or else the one of the longest common end.

    Raises:
        Unusable: an image fits several others equally well, or several fit one.
    """
    names = dict(others)
    shared = [(i, name) for i, name in images if i in names]
    if shared and all(_agree(name, names[i]) for i, name in shared):
        ours = dict(images)
        left = [(i, name) for i, name in images if i not in names]
        others_left = [(i, name) for i, name in others if i not in ours]
        return {i: i for i, _ in shared} | _by_names(left, others_left, whole=True)
    return _by_names(images, others)


def _by_names(
    images: Sequence[Named], others: Sequence[Named], whole: bool = False
) -> dict[int, int]:
    """The same by the ends of paths; with ``whole`` one name has to be the end of the other."""
    names = dict(others)
    by_end: dict[str, list[Named]] = defaultdict(list)
    for identity, name in ((i, name) for i, name in others if name):
        by_end[_parts(name)[-1]].append((identity, name))
    found = {}
    for identity, name in ((i, name) for i, name in images if name):
        parts = _parts(name)
        near = [(i, x, _parts(x)) for i, x in by_end.get(parts[-1], ())]
        common = {other: _common(parts, theirs) for other, _, theirs in near}
        if whole:
            near = [n for n in near if common[n[0]] == min(len(parts), len(n[2]))]
            common = {other: common[other] for other, *_ in near}
        best = [other for other, count in common.items() if count == max(common.values())]
        if len(best) > 1:
            told = ", ".join(x for other, x, _ in near if other in best[:3])
            raise Unusable(
                f"image {identity} ({name}) may be any of {told}; give the files the same ids, or "
                "names with the folders that tell them apart"
            )
        if best:
            found[identity] = best[0]
    _refuse_shared(found, dict(images), names)
    return found


def same_images(ours: Sequence[dict], theirs: Sequence[dict], source: str) -> dict[int, int]:
    """``match_images`` of the entries of two files.

    Args:
        source: where ours are from, for messages.

    Raises:
        FormatError: as ``match_images`` raises Unusable.
    """
    names = ([(i["id"], i.get("file_name", "")) for i in images] for images in (ours, theirs))
    try:
        return match_images(*names)
    except Unusable as error:
        raise FormatError(f"{source}: {error}") from error


def _agree(name: str, other: str) -> bool:
    if not name or not other:
        return True
    one, two = _parts(name), _parts(other)
    one[-1], two[-1] = PurePosixPath(one[-1]).stem, PurePosixPath(two[-1]).stem
    return _common(one, two) == min(len(one), len(two))


def _parts(name: str) -> list[str]:
    name = normalize("NFC", name)  # macOS writes an accented letter as two characters
    return [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")] or [""]


def _common(one: Iterable[str], two: Iterable[str]) -> int:
    """How many last parts are the same."""
    count = 0
    for a, b in zip(reversed(list(one)), reversed(list(two)), strict=False):
        if a != b:
            break
        count += 1
    return count


def _refuse_shared(found: dict[int, int], names: dict[int, str], others: dict[int, str]) -> None:
    owner: dict[int, int] = {}
    for identity, other in found.items():
        if other in owner:
            raise Unusable(
                f"images {owner[other]} ({names[owner[other]]}) and {identity} "
                f"({names[identity]}) both fit {others[other]}; give the files the same ids, or "
                "names with the folders that tell them apart"
            )
        owner[other] = identity
