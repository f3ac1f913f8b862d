"""Datasets as tensors: decoded once per machine into a memory-mapped cache that trials share."""
