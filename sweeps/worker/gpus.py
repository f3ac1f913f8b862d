"""A program that prints the GPUs that torch can use, as a JSON list of their names with their memory."""

import json

import torch


def main() -> None:
    """Print the list; it is empty if there are none."""
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    print(json.dumps([f"{each.name} ({each.total_memory / 2**30:.0f} GiB)" for each in found]))


if __name__ == "__main__":
    main()
