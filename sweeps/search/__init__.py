"""Chooses the trials of a search and stops some of them early, separately for every arm."""
