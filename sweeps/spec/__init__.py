"""The YAML of a sweep: the only room that knows its keys."""
