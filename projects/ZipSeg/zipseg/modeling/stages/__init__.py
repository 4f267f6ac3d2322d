"""The stages of the method, in order: classify, activate, cluster, select, regroup, segment, score.

Every stage is a frozen dataclass that goes from tensors and value types to value types: its fields
are its constants, and it knows no networks, no files and no configuration nodes. ``discovery`` has
the paper's way of clusters, ``extensions`` the others. Imports ``structures`` alone;
``modeling.zip`` feeds the stages.
"""
