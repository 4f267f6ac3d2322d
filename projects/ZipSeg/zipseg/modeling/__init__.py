"""The method: ``Zip`` with its networks and stages, the baseline, and detectors' parts.

Imports ``utils``, ``structures`` and ``data``.
"""
