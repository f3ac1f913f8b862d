"""Uploads a sweep's journal to MLflow."""
