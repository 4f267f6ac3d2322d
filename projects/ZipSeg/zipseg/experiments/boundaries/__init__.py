"""Which features tell touching objects apart? Discovery with oracle activations, source by source.

The semantic half of the method is replaced by the truth, so that what is left to measure is the
boundary prior: where the features of a network change, and what discovery makes of it.
"""
