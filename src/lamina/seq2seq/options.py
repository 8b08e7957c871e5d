"""The options that all sequence-to-sequence models share, as a type."""

from __future__ import annotations

from lamina.options import LayerOptions

__all__ = ["TranslatingOptions"]


class TranslatingOptions(LayerOptions, total=False):
    """The options of :class:`Translating`, besides those of every layer.

    Args:
        label_smoothing: fraction of each label that training spreads over all tokens, a number in
            [0, 1]; 0 by default.
        scheduled_sampling: probability that training replaces a target token by the model's own
            prediction, a number in [0, 1]; 0 by default. Above 0, training decodes step by step
            and is much slower.
        pad: token id of padding; 0 by default.
        start: token id that begins a target; 1 by default.
        end: token id that ends a target; 2 by default.
    """

    label_smoothing: float
    scheduled_sampling: float
    pad: int
    start: int
    end: int
