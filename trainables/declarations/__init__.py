"""What a YAML needs to know of each trainable; nothing here imports torch, which takes seconds to load."""
