"""Pre-training of the embedded foundation models on ZipWorld's pre-training scenes.

The CLIPs learn from whole scenes and captions alone (``clip_training``); the SAM learns masks
without names (``sam_training``). Both run in the resumable ``loop``.
"""
