"""What every folder needs: errors, files, paths, signals, and records of what was done with what.

Imports nothing else of this package.
"""
