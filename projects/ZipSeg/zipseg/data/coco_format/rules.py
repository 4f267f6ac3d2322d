"""What readers mend, and what they only warn of. What is not mended is refused, see ``entries``."""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger(__name__)

# Kind -> how the warning tells it, after the count. The numbers that follow from a mended file are
# those of pycocotools on a file that was right from the start.
REPAIRS = {
    "id": "ids in text or decimals read as whole numbers",
    "missing id": "annotations without an id, numbered anew",
    "name": "names of categories without the space around them",
    "area": "areas missing or null, taken from the mask or box",
    "box": "boxes missing or empty, taken from the mask",
    "iscrowd": "times no iscrowd, taken for 0",
    "crowd word": "iscrowd that are no 0 or 1 but true, false or text",
    "part": "polygon parts of less than three points left out",
    "flat": "polygons not in a list of parts, put into one",
    "uncompressed": "results with uncompressed RLE, compressed",
    "polygon": "results with polygons, rasterised",
}
# Nothing is changed, but the numbers mean less than they seem to.
WARNINGS = {
    "unlisted image": "images that the annotations do not have, left out",
    "unseen image": "images of the annotations are not listed, as if nothing was found in them",
    "unlisted category": "categories that the annotations do not have, left out",
    "same file": "images of a file_name that another one has too",
    "score": "scores outside of 0 .. 1, which thresholds are not made for",
    "no extent": "boxes without an area",
    "no mask": "objects without a mask among those with one, for which their box stands in",
}


class Tally(Counter):
    """How often each kind of ``REPAIRS`` and ``WARNINGS`` has occurred in a file."""

    def tell(self, source: object) -> None:
        """One warning line about a file, if there is anything to tell."""
        if text := self.text():
            logger.warning("%s: %s", source, text)

    def text(self) -> str:
        """The line without the file: "mended: 3 areas ..., 2 ...; 1 objects without ..."."""
        mended, odd = (
            ", ".join(f"{self[kind]:,} {told}" for kind, told in kinds.items() if self[kind])
            for kinds in (REPAIRS, WARNINGS)
        )
        return "; ".join(filter(None, (mended and f"mended: {mended}", odd)))
