"""The record of a sweep: journal, state, checkpoints, storage."""
