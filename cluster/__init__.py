"""Sweeps as jobs of a Ray cluster, and the files that start clusters."""
