"""What runs in Ray's workers: the only room that imports torch."""
