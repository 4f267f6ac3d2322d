"""Pseudo-labels at any scale: a resumable, distributed run of a model over images.

Knows nothing of the model beyond Detectron2's contract, that it returns Instances. Imports
``utils`` to ``engine``.
"""
