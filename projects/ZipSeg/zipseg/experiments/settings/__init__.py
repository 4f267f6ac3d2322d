"""Comparison of settings: many variants of a config on one data set, networks run once."""
