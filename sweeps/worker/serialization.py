"""The content of a checkpoint as bytes."""

import io
from typing import Any

import torch


def to_bytes(content: dict[str, Any]) -> memoryview:
    """Serialize what ``torch.load(weights_only=True)`` accepts."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getbuffer()


def from_bytes(serialized: bytes) -> dict[str, Any]:
    """Load to the CPU what ``to_bytes`` made; a pickle that would run code is refused."""
    content: dict[str, Any] = torch.load(io.BytesIO(serialized), map_location="cpu", weights_only=True)
    return content
