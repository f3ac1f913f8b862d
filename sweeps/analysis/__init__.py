"""Evaluates the trials of a sweep: arms, statistics, claims, importance of hyperparameters."""
