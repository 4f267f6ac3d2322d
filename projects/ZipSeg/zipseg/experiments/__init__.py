"""Research apparatus: the tables of recorded results, and what they measure.

Imports everything; nothing imports it.
"""
