"""What chooses the trials of a search, and stops some early: Optuna and ASHA, one of each for every arm."""
