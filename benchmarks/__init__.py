"""Measurements behind the project's claims, as ratios against plain references in the same run.

``python -m benchmarks`` runs them; they are no part of the package.
"""
