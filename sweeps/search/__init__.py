"""Chooses the trials of a search with Optuna and stops some early with ASHA, separately for every arm."""
