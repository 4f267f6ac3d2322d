"""Measurements behind the project's claims, as ratios against plain references in the same run."""
