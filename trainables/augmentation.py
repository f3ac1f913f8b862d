"""Random changes to training images, a batch at a time, on the batch's device.

Shapes: B batch, K channels, H height, W width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 4


def crop_and_flip(pixels: Tensor, order: torch.Generator) -> Tensor:
    """Pad with 4 black pixels, crop at random to the original size, and mirror with probability 1/2.

    Args:
        pixels: (B, K, H, W), as stored.
        order: Source of the crops and flips, on the CPU.

    Returns:
        (B, K, H, W); each image is shifted by -4 to 4 pixels in each direction.
    """
    n, _, height, width = pixels.shape
    # All random numbers go to the device in one transfer.
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
