"""Slow and plain versions of published procedures, to measure and test the fast ones against."""
