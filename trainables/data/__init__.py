"""Datasets as tensors: made once per machine into a memory-mapped cache that trials share."""


class DataError(Exception):
    """A dataset that cannot be read; the message says which and what to do."""
