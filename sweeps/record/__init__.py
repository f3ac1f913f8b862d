"""What happened in a sweep and where it is kept: journal, state, checkpoints, storage."""
