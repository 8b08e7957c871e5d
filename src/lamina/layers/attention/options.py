"""The options of the projections of attention, as a type."""

from __future__ import annotations

from lamina.layers.bases.options import KernelOptions

__all__ = ["ProjectionOptions"]


class ProjectionOptions(KernelOptions, total=False):
    """The options of a projection: those of `KernelOptions`, and low-rank adaptation.

    Args:
        lora_rank: rank of the low-rank change of ``kernel``; None (default) for no change.
        lora_alpha: numerator of the change's scale ``lora_alpha / lora_rank``; the rank by
            default.
    """

    lora_rank: int | None
    lora_alpha: float | None
