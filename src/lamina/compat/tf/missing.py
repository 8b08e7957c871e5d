"""Errors for names of TensorFlow that are not supported."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.compat.missing import missing_name

__all__ = ["missing"]

_JAX_GRADIENTS = "Use jax.grad on layer.apply(values, ...), or model.train_loss and model.fit."
_FILES = "Use layer.save_weights(path) and layer.load_weights(path)."
_BATCHES = "Pass arrays or an iterable of batches to fit."
_DROPOUT = "Use tf.keras.layers.Dropout, which drops other elements in each call."

_REPLACEMENTS = {
    "tf.Module": "Use tf.keras.layers.Layer.",
    "tf.Session": "Call layers directly, or compile them with lamina.jit(layer).",
    "tf.TensorShape": "Shapes are tuples; index them, as in shape[-1].",
    "tf.compat": "Use the API of TensorFlow 2.",
    "tf.cond": "Use jax.lax.cond.",
    "tf.data": _BATCHES,
    "tf.distribute": "Use lamina.distribute.",
    "tf.gradients": _JAX_GRADIENTS,
    "tf.map_fn": "Use jax.lax.map or jax.vmap.",
    "tf.placeholder": "Call layers directly, or build them with build(shape).",
    "tf.scan": "Use jax.lax.scan.",
    "tf.string": "Encode text as numbers first.",
    "tf.train": _FILES,
    "tf.while_loop": "Use jax.lax.while_loop.",
    "tf.keras.backend": "Use the functions of tf and tf.math.",
    "tf.keras.preprocessing.image": _BATCHES,
    "tf.keras.preprocessing.text": "Use the package tokenizers, or a dict from words to ids.",
    "tf.nn.dropout": _DROPOUT,
}


def missing(namespace: str, name: str, known: Iterable[str]) -> Exception:
    """The error for `namespace.name`, with a replacement or the nearest name.

    Args:
        namespace: the namespace, such as ``"tf.nn"``.
        name: the missing name.
        known: the supported names of the namespace.

    >>> print(missing("tf", "data", ["zeros"]))
    lamina.compat.tf has no tf.data.
      received: tf.data
      remedy:   Pass arrays or an iterable of batches to fit.
    """
    otherwise = f"Use jax.numpy, jax.nn or jax.lax; dir({namespace}) lists the supported names."
    return missing_name("lamina.compat.tf", namespace, name, known, _REPLACEMENTS, otherwise)
