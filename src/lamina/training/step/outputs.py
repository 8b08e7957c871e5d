"""The outputs of a model, each with its name, its labels and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax.numpy as jnp

from lamina.errors import InputError, explain, nearest
from lamina.losses.shapes import spread

__all__ = ["Output", "by_output", "check_count", "counted", "outputs_of"]


class Output(NamedTuple):
    """One output; its name is empty where there is no other."""

    name: str
    labels: Any
    values: Any
    weights: Any
    mask: Any = None


def outputs_of(
    outputs: Any, labels: Any, weights: Any, names: Sequence[str] | None = None, masks: Any = None
) -> list[Output]:
    """The outputs of a call, in order, with what belongs to each.

    Args:
        outputs: an array, or several in a dict, list or tuple.
        labels: in the same form, or in a list in the order of the outputs, or by name.
        weights: of the examples, for all outputs or in the same form.
        names: of outputs in a list; ``output_0``, ``output_1``, ... if None.
        masks: which steps of the outputs count, in the form of the outputs.

    Raises:
        InputError: the labels are not of the form of the outputs.

    >>> [output.name for output in outputs_of({"a": 1, "b": 2}, {"b": 3}, None)]
    ['a', 'b']
    """
    values = _named(outputs, names)
    if values is None:
        return [Output("", labels, outputs, weights, _fitting(masks, outputs))]
    hidden = _named(masks, names) or {}
    if len(values) == 1 and not _nested(labels):
        ((name, value),) = values.items()
        return [Output("", labels, value, weights, _fitting(hidden.get(name), value))]
    truth = by_output("labels", labels, list(values))
    if weights is None or not _nested(weights):
        scale = dict.fromkeys(values, weights)
    else:
        scale = by_output("sample weights", weights, list(values))
    return [
        Output(name, truth.get(name), v, scale.get(name), _fitting(hidden.get(name), v))
        for name, v in values.items()
    ]


def counted(output: Output, weights: Any) -> Any:
    """What each example, or each step of one, counts; None where all count alike.

    Args:
        output: whose mask hides steps.
        weights: of the examples.
    """
    parts = [jnp.asarray(part) for part in (weights, output.mask) if part is not None]
    if not parts:
        return None
    longest, *others = sorted(parts, key=lambda part: -part.ndim)
    for part in others:
        longest = longest * spread(part, longest)
    return longest


def by_output(what: str, given: Any, names: list[str]) -> dict[str, Any]:
    """What is given for each of some outputs, by name or in their order.

    Raises:
        InputError: it is for other outputs, or for another number of them.
    """
    if isinstance(given, dict):
        found = cast(dict[str, Any], given)
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
    if isinstance(given, list | tuple) and len(cast(Sequence[Any], given)) == len(names):
        return dict(zip(names, cast(Sequence[Any], given), strict=True))
    count = len(cast(Sequence[Any], given)) if isinstance(given, list | tuple) else 1
    raise InputError(
        explain(
            f"The {what} do not say which output each is for.",
            expected=f"a dict by name, or a list for {', '.join(names)}",
            received=f"{count} for {len(names)} outputs",
            remedy=f"Give a dict: {{{names[0]!r}: ...}}.",
        )
    )


def _named(outputs: Any, names: Sequence[str] | None) -> dict[str, Any] | None:
    """Several outputs by name; None where there is one array."""
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


def _fitting(mask: Any, values: Any) -> Any:
    """The mask, if it is one of steps of these values."""
    if mask is None:
        return None
    shape, sizes = jnp.shape(mask), getattr(values, "shape", ())
    fits = len(shape) < len(sizes) and shape == sizes[: len(shape)]
    return jnp.asarray(mask, jnp.float32) if fits else None


def _nested(tree: Any) -> bool:
    return isinstance(tree, dict | list | tuple)


def check_count(output: Output) -> None:
    """See that there are as many labels as values.

    Raises:
        InputError: there are not.
    """
    one = jnp.shape(output.labels)
    other = jnp.shape(output.values) if hasattr(output.values, "shape") else None
    if one and other and one[0] != other[0]:
        of = f" of output {output.name!r}" if output.name else ""
        raise InputError(
            explain(
                f"A batch has not as many labels as outputs{of}.",
                expected=f"{other[0]} labels, for outputs of shape {other}",
                received=f"labels of shape {one}",
                remedy="Give one label, or row of labels, for each example.",
            )
        )
