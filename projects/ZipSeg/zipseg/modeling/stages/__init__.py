"""The stages of the method, in order: classify, activate, cluster, select, regroup, segment, score.

Every stage is a pure function from tensors and value types to value types: no networks, no files,
no configuration nodes. Imports ``structures`` alone; ``modeling.zip`` feeds the stages.
"""
