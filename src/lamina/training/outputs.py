"""The outputs of a model, each with its name, its labels and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import jax.numpy as jnp

from lamina.errors import InputError, explain, nearest

__all__ = ["Output", "by_output", "check_count", "outputs_of"]


class Output(NamedTuple):
    """One output; its name is empty where there is no other."""

    name: str
    labels: Any
    values: Any
    weights: Any


def outputs_of(
    outputs: Any, labels: Any, weights: Any, names: Sequence[str] | None = None
) -> list[Output]:
    """The outputs of a call, in order, with what belongs to each.

    Args:
        outputs: an array, or several in a dict, list or tuple.
        labels: in the same form, or in a list in the order of the outputs, or by name.
        weights: of the examples, for all outputs or in the same form.
        names: of outputs in a list; ``output_0``, ``output_1``, ... if None.

    Raises:
        InputError: the labels are not of the form of the outputs.

    >>> [output.name for output in outputs_of({"a": 1, "b": 2}, {"b": 3}, None)]
    ['a', 'b']
    """
    values = _named(outputs, names)
    if values is None:
        return [Output("", labels, outputs, weights)]
    if len(values) == 1 and not _nested(labels):
        ((_, value),) = values.items()
        return [Output("", labels, value, weights)]
    truth = by_output("labels", labels, list(values))
    if weights is None or not _nested(weights):
        scale = dict.fromkeys(values, weights)
    else:
        scale = by_output("sample weights", weights, list(values))
    return [Output(name, truth.get(name), v, scale.get(name)) for name, v in values.items()]


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
