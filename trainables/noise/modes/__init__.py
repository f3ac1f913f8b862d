"""The noise modes, one class in a file each. None imports torch, because drivers list the modes too."""
