"""Research apparatus: what the recorded tables measure, and how fast the product is.

Imports everything; nothing imports it.
"""
