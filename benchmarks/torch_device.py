"""The device of a case in PyTorch, with the same float32 precision as JAX."""

from __future__ import annotations

import os

import torch

__all__ = ["DEVICE"]

DEVICE = torch.device("cuda" if os.environ.get("JAX_PLATFORMS") == "cuda" else "cpu")

if DEVICE.type == "cuda":
    torch.set_float32_matmul_precision("high")  # TensorFloat-32
