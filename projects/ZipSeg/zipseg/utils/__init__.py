"""What every folder needs: errors, files, downloads, signals, and records of what was done with
what.

Imports nothing else of this package.
"""
