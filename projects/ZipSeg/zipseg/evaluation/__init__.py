"""Evaluation as the field does it: protocols, matching, intervals, and reports of all of it.

Reads files and ``Instances``, never models. Imports ``utils`` and ``data``.
"""
