"""The foundation models behind narrow interfaces: two CLIPs and SAM, and where their weights are.

Imports ``utils``, ``structures`` and ``data``.
"""
