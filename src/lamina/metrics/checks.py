"""Checks of the options of metrics that count decisions."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import InputError, explain

__all__ = ["check_class", "check_thresholds", "check_top_k"]


def check_thresholds(metric: object, thresholds: Any) -> None:
    """Check that thresholds are numbers in [0, 1].

    Args:
        metric: the metric that has them.
        thresholds: a float, several, or None.

    Raises:
        InputError: one is not.
    """
    if thresholds is None:
        return
    numbers: list[Any] = list(np.ravel(np.asarray(thresholds, object)))
    wrong = [number for number in numbers if not _within(number)]
    if wrong or not numbers:
        raise InputError(
            explain(
                f"{type(metric).__name__} got thresholds that are not in [0, 1].",
                expected="a float in [0, 1], or a list of them",
                received=", ".join(map(repr, wrong)) or "no threshold",
                remedy="Pass thresholds=0.5, and apply jax.nn.sigmoid to logits.",
            )
        )


def check_top_k(metric: object, top_k: int | None, classes: int) -> None:
    """Check that there are at least `top_k` classes.

    Raises:
        InputError: there are fewer, or `top_k` is not positive.
    """
    if top_k is not None and not 1 <= top_k <= classes:
        raise InputError(
            explain(
                f"{type(metric).__name__} got a top_k that exceeds the number of classes.",
                expected=f"an integer in [1, {classes}], for {classes} classes",
                received=repr(top_k),
                remedy="Pass a smaller top_k.",
            )
        )


def check_class(metric: object, class_id: int | None, shape: tuple[int, ...]) -> None:
    """Check that predictions have an axis of classes, of which `class_id` is one.

    Raises:
        InputError: they have no such axis, or too few classes.
    """
    if class_id is None:
        return
    expected = f"[..., classes], of which class_id={class_id} is one"
    if len(shape) < 2:
        raise InputError(
            explain(
                f"{type(metric).__name__} of one class got predictions without an axis of classes.",
                expected=expected,
                received=f"an array of shape {shape}",
                remedy="Leave out class_id, or pass predictions with one column per class.",
            )
        )
    if not -shape[-1] <= class_id < shape[-1]:
        raise InputError(
            explain(
                f"{type(metric).__name__} got a class_id that the predictions do not have.",
                expected=expected,
                received=f"an array of shape {shape}",
                remedy=f"Pass a class_id in [0, {shape[-1]}).",
            )
        )


def _within(number: Any) -> bool:
    try:
        return bool(0 <= number <= 1)
    except TypeError:
        return False
