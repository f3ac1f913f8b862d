"""Shows a running sweep to people and programs."""
