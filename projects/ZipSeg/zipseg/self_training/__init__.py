"""Self-training in rounds, and the runner of command lines as steps that are done once.

Imports ``utils`` to ``labeling``.
"""
