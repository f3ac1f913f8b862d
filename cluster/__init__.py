"""Where a sweep runs."""
