"""Random changes of training images, a batch at a time on its device.

Shapes: B batch, K channels, H height, W width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 4


def crop_and_flip(pixels: Tensor, order: torch.Generator) -> Tensor:
    """Pad each image with 4 black pixels, crop it at random to its size, and mirror every second one.

    Args:
        pixels: (B, K, H, W), as stored.
        order: Source of the crops and flips, on the CPU.

    Returns:
        (B, K, H, W); each image moved by -4 to 4 pixels either way, and mirrored left to right or not.
    """
    n, _, height, width = pixels.shape
    # One draw, so that one transfer brings it to the device.
    draws = torch.stack(
        [
            *torch.randint(2 * PADDING + 1, (2, n), generator=order),
            torch.randint(2, (n,), generator=order),
        ]
    ).to(pixels.device, non_blocking=True)
    top, left, flipped = draws[:, :, None]
    columns = torch.arange(width, device=pixels.device)
    rows = top + torch.arange(height, device=pixels.device)
    columns = left + torch.where(flipped == 1, width - 1 - columns, columns)
    example = torch.arange(n, device=pixels.device)[:, None, None]
    padded = F.pad(pixels, [PADDING] * 4)
    return padded[example, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
