"""What happened in a sweep, and where that is kept: journal, state, checkpoints, storage."""
