"""The outputs of a model: each with its name, labels, sample weights and mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax.numpy as jnp

from lamina.errors import InputError, explain, nearest
from lamina.losses.shapes import spread

__all__ = ["Output", "by_output", "check_count", "element_weights", "pair_outputs"]


class Output(NamedTuple):
    """One output of a model.

    Attributes:
        name: empty for the only output.
        labels: ``[batch, ...]``, or None.
        values: the output itself, ``[batch, ...]``.
        weights: sample weights, ``[batch]`` or more axes; None for 1.
        mask: 1 for valid steps and 0 for others, the first axes of `values`; None if all are valid.
    """

    name: str
    labels: Any
    values: Any
    weights: Any
    mask: Any = None


def pair_outputs(
    outputs: Any, labels: Any, weights: Any, names: Sequence[str] | None = None, masks: Any = None
) -> list[Output]:
    """Pair the outputs of a call with their labels, sample weights and masks.

    Args:
        outputs: an array, or several in a dict, list or tuple.
        labels: in the structure of the outputs, or a list in their order, or a dict by name.
        weights: sample weights for all outputs, or in the structure of the outputs.
        names: of outputs in a list; ``output_0``, ``output_1``, ... if None.
        masks: in the structure of the outputs.

    Raises:
        InputError: labels or weights do not correspond to the outputs.

    >>> [output.name for output in pair_outputs({"a": 1, "b": 2}, {"b": 3}, None)]
    ['a', 'b']
    """
    values = _named(outputs, names)
    if values is None:
        return [Output("", labels, outputs, weights, _matching_mask(masks, outputs))]
    mask_of = _named(masks, names) or {}
    if len(values) == 1 and not _is_nested(labels):
        ((name, value),) = values.items()
        return [Output("", labels, value, weights, _matching_mask(mask_of.get(name), value))]
    labels_of = by_output("labels", labels, list(values))
    if weights is None or not _is_nested(weights):
        weights_of = dict.fromkeys(values, weights)
    else:
        weights_of = by_output("sample weights", weights, list(values))
    return [
        Output(
            name,
            labels_of.get(name),
            value,
            weights_of.get(name),
            _matching_mask(mask_of.get(name), value),
        )
        for name, value in values.items()
    ]


def element_weights(output: Output, weights: Any) -> Any:
    """Return the product of weights and the output's mask, broadcast; None without either.

    Args:
        output: its mask is used.
        weights: ``[batch, ...]``, or None.
    """
    factors = [jnp.asarray(factor) for factor in (weights, output.mask) if factor is not None]
    if not factors:
        return None
    product, *others = sorted(factors, key=lambda factor: -factor.ndim)
    for factor in others:
        product = product * spread(factor, product)
    return product


def by_output(what: str, values: Any, names: list[str]) -> dict[str, Any]:
    """Return one value for each output, by name.

    Args:
        what: the values, in words, for errors.
        values: a dict by name, or a list in the order of the outputs.
        names: of the outputs.

    Raises:
        InputError: there is an unknown name, or another number of values.
    """
    if isinstance(values, dict):
        found = cast(dict[str, Any], values)
        unknown = [name for name in found if name not in names]
        if unknown:
            raise InputError(
                explain(
                    f"There are {what} for an output that the model does not have.",
                    expected=", ".join(names),
                    received=repr(unknown[0]),
                    remedy=nearest(unknown[0], names),
                )
            )
        return found
    if isinstance(values, list | tuple) and len(cast(Sequence[Any], values)) == len(names):
        return dict(zip(names, cast(Sequence[Any], values), strict=True))
    count = len(cast(Sequence[Any], values)) if isinstance(values, list | tuple) else 1
    raise InputError(
        explain(
            f"The {what} do not say which output each is for.",
            expected=f"a dict by name, or a list for {', '.join(names)}",
            received=f"{count} for {len(names)} outputs",
            remedy=f"Give a dict: {{{names[0]!r}: ...}}.",
        )
    )


def _named(outputs: Any, names: Sequence[str] | None) -> dict[str, Any] | None:
    """Return several outputs by name, or None for one array."""
    if hasattr(outputs, "_asdict"):
        return dict(outputs._asdict())
    if isinstance(outputs, dict):
        return cast(dict[str, Any], outputs)
    if not isinstance(outputs, list | tuple):
        return None
    listed = list(cast(Sequence[Any], outputs))
    if names is None or len(names) != len(listed):
        names = [f"output_{index}" for index in range(len(listed))]
    return dict(zip(names, listed, strict=True))


def _matching_mask(mask: Any, values: Any) -> Any:
    """Return the mask as float32 if its shape is that of the first axes of `values`, else None."""
    if mask is None:
        return None
    shape, sizes = jnp.shape(mask), getattr(values, "shape", ())
    fits = len(shape) < len(sizes) and shape == sizes[: len(shape)]
    return jnp.asarray(mask, jnp.float32) if fits else None


def _is_nested(tree: Any) -> bool:
    return isinstance(tree, dict | list | tuple)


def check_count(output: Output) -> None:
    """Check that an output has as many labels as values.

    Raises:
        InputError: the first axes differ.
    """
    labels = jnp.shape(output.labels)
    values = jnp.shape(output.values) if hasattr(output.values, "shape") else None
    if labels and values and labels[0] != values[0]:
        of = f" of output {output.name!r}" if output.name else ""
        raise InputError(
            explain(
                f"The batch sizes of labels and outputs{of} differ.",
                expected=f"{values[0]} labels, for outputs of shape {values}",
                received=f"labels of shape {labels}",
                remedy="Give one label, or row of labels, for each example.",
            )
        )
