"""Architectures: plain single-device PyTorch modules, one file each."""
