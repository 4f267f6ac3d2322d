"""Images, names and COCO-format files, in and out, and the records that detectors train on.

Imports ``utils`` and ``structures``.
"""
