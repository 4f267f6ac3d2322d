"""One process's part of a run: claim an image, label it, append the result, mark the image."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..utils.errors import REQUEUE, CannotWrite, ZipSegError
from ..utils.signals import stop_event
from .assembly import FAILURES, is_merged, merge
from .errors import LabelingError, Rules, TooManyFailures
from .labeler import Labeler
from .progress import Progress
from .provenance import check, record
from .shards import ShardWriter, index_shards
from .sources import Manifest, Source, list_source, write_manifest
from .work import DONE, FAILED, OPEN, Counts, Work


def label_source(
    labeler: Labeler,
    source: Source,
    provenance: dict,
    output: Path,
    rules: Rules,
    quiet: bool = False,
) -> int:
    """Takes part in the run in ``output`` until no image is open; the last one to finish merges.

    Any number of processes may call this at the same time, on any number of machines that share
    the folder, and they may come and go. SIGTERM and SIGINT end it after the image in flight.

    Args:
        labeler: reads and labels one image.
        source: the images.
        provenance: of ``provenance.describe``.
        output: the folder of the run.
        rules: for failing images.
        quiet: show no progress.

    Returns:
        0 when the run is complete or others are still at work on the rest, ``REQUEUE`` when this
        process was told to stop.

    Raises:
        LabelingError: also ``TooManyFailures`` and ``CannotWrite``; nothing done so far is lost.
    """
    folder = output / "run"
    try:
        (folder / "shards").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(folder, error) from error
    work = Work(folder / "work")
    try:
        with stop_event() as stop:
            work.join(lambda: _prepare(folder, source, provenance, rules))
            kept = check(folder / "provenance.json", provenance)
            images = Manifest(folder / "images.jsonl", source.root)
            writer = ShardWriter(folder / "shards")
            alone = False
            while not alone or work.counts().open:  # a member that died leaves open images
                _label_open(labeler, work, images, writer, rules, stop, quiet)
                if stop.is_set():
                    return REQUEUE
                alone = alone or work.leave()
                if not alone:
                    return 0
            if not is_merged(output):
                summary = merge(output, kept, len(images))
                if not summary["images"]:
                    raise TooManyFailures(f"{output / FAILURES}: all images failed, see there why")
            return 0
    finally:
        work.close()


def _prepare(folder: Path, source: Source, provenance: dict, rules: Rules) -> bytes:
    """The first process lists the images, checks that the run is the same, and reads its shards."""
    listed = folder / "images.jsonl.new"
    images = write_manifest(listed, list_source(source))
    record(folder / "provenance.json", {**provenance, "images": images})
    try:
        listed.replace(folder / "images.jsonl")
    except OSError as error:
        raise CannotWrite(folder, error) from error
    states = index_shards(folder / "shards", images["count"]).states()
    return states.replace(FAILED, OPEN) if rules.retry_failures else states


def _label_open(
    labeler: Labeler,
    work: Work,
    images: Manifest,
    writer: ShardWriter,
    rules: Rules,
    stop: threading.Event,
    quiet: bool,
) -> None:
    progress = Progress(work.counts(), quiet=quiet)
    try:
        for index, loading in _ahead(work, lambda i: labeler.read(images.path(i)), stop):
            result = _label(labeler, images[index], loading)
            writer.write({"index": index, **result, "time": round(time.time(), 3)})
            work.finish(index, FAILED if "failure" in result else DONE)
            if "failure" in result:
                _check_failures(work.counts(), rules, result["failure"])
            if progress.due():
                progress.show(work.counts())
    finally:
        writer.close()
    progress.show(work.counts(), last=True)


def _ahead(
    work: Work, read: Callable[[int], dict], stop: threading.Event
) -> Iterator[tuple[int, Future]]:
    """Claimed images, the next one being read while the caller works on the current one."""
    with ThreadPoolExecutor(1, "reader") as pool:

        def claim() -> tuple[int, Future] | None:
            index = None if stop.is_set() else work.claim()
            return None if index is None else (index, pool.submit(read, index))

        following = claim()
        while following is not None:
            current, following = following, claim()
            yield current
            if stop.is_set() and following is not None:
                work.release(following[0])
                return


def _label(labeler: Labeler, image: dict, loading: Future) -> dict:
    """The image's result: COCO image record and annotations, or the failure's reason."""
    try:
        pixels = loading.result()
        annotations, seconds = labeler.label(pixels, image["id"])
        size = {"height": pixels["height"], "width": pixels["width"]}
        return {"image": {**image, **size}, "annotations": annotations, "seconds": seconds}
    except LabelingError:
        raise
    except Exception as error:  # one bad image never ends a run of thousands
        kind = "" if isinstance(error, ZipSegError) else f"{type(error).__name__}: "
        return {"failure": f"{kind}{error}"[:500], "image": image}


def _check_failures(counts: Counts, rules: Rules, reason: str) -> None:
    if counts.failed > max(rules.min_failures, rules.max_failures * counts.total):
        raise TooManyFailures(
            f"stopped: {counts.failed} of {counts.total} images failed, the last one with\n"
            f"  {reason}\nWhen the cause is mended start again with --retry-failures, or allow "
            "more with --max-failures."
        )
