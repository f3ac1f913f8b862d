"""Delivery of a sweep's journal to MLflow."""
