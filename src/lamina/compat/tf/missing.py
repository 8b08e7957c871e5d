"""The error for a name that TensorFlow has and this namespace has not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lamina.errors import UnknownNameError, explain

__all__ = ["MissingNameError", "missing"]

_JAX_GRADIENTS = "Use jax.grad on layer.apply(values, ...), or model.train_loss and model.fit."
_FILES = "Use layer.save_weights(path) and layer.load_weights(path)."
_BATCHES = "Give fit arrays, or any iterable of batches."
_FROZEN_IN_TRACES = "Use tf.keras.layers.Dropout: it draws anew at every call."

_INSTEAD = {
    "tf.GradientTape": _JAX_GRADIENTS,
    "tf.Module": "Use tf.keras.layers.Layer.",
    "tf.Session": "Call layers directly; lamina.jit(layer) compiles one.",
    "tf.TensorShape": "Shapes are tuples: index them, shape[-1].",
    "tf.compat": "Write it for TensorFlow 2.",
    "tf.cond": "Use jax.lax.cond.",
    "tf.data": _BATCHES,
    "tf.distribute": "Use jax.sharding.",
    "tf.gradients": _JAX_GRADIENTS,
    "tf.map_fn": "Use jax.lax.map or jax.vmap.",
    "tf.placeholder": "Call layers directly; build(shape) serves where there is no data yet.",
    "tf.scan": "Use jax.lax.scan.",
    "tf.string": "Encode text as numbers first.",
    "tf.train": _FILES,
    "tf.while_loop": "Use jax.lax.while_loop.",
    "tf.keras.backend": "Use the functions of tf and tf.math.",
    "tf.keras.preprocessing.image": _BATCHES,
    "tf.keras.preprocessing.text": "Use the library tokenizers, or a dict from words to numbers.",
    "tf.nn.dropout": _FROZEN_IN_TRACES,
}


class MissingNameError(UnknownNameError, AttributeError):
    """A name of TensorFlow's that is not served here."""


def missing(namespace: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for `namespace.name`, with what serves in its place or the nearest name.

    >>> print(missing("tf", "data", ["zeros"]))
    lamina.compat.tf has no tf.data.
      received: tf.data
      remedy:   Give fit arrays, or any iterable of batches.
    """
    full = f"{namespace}.{name}"
    if name.startswith("_"):
        return AttributeError(f"{namespace} has no attribute {name!r}")
    return MissingNameError(
        explain(
            f"lamina.compat.tf has no {full}.",
            received=full,
            remedy=_INSTEAD.get(full) or _nearest(namespace, name, known),
        )
    )


def _nearest(namespace: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    if close:
        return f"Did you mean {namespace}.{close[0]}?"
    return f"Use jax.numpy, jax.nn or jax.lax; dir({namespace}) lists what is here."
