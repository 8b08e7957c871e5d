"""The check that no kernel of integers is to be trained."""

from __future__ import annotations

from lamina.core.building.quantization import quantization_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_layers, frozen_variables
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain

__all__ = ["check_kernels"]


def check_kernels(model: Tracked) -> None:
    """Check that each quantized layer of a model is frozen, or has a low-rank update to train.

    Args:
        model: the model, built.

    Raises:
        InputError: one of them is neither.
    """
    tree = walk(model)
    frozen, weights = frozen_layers(tree), frozen_variables(tree)
    for path, layer in tree.layers.values():
        config = quantization_of(layer)
        if config is None or id(layer) in frozen:
            continue
        inner = walk(layer)
        if any(owner is not layer and key not in weights for key, owner in inner.owners.items()):
            continue
        raise InputError(
            explain(
                f"The kernel of {path or type(layer).__name__} is of integers ({config.mode}), "
                "which are not trained.",
                where=f"made at {layer._lamina.made_at}",
                expected="a frozen layer, or one with a low-rank update to train",
                received="a quantized layer with trainable=True",
                remedy="Train before quantize; or call layer.enable_lora(rank), or set "
                "layer.trainable = False, for each quantized layer.",
            )
        )
