"""Errors of planning and building."""

from __future__ import annotations

import dis
import re
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

from lamina.core.base.sites import Site, is_library, site
from lamina.core.running.errors import layer_name, weight_in_call
from lamina.core.specs.spec import Arguments, Dim, Spec
from lamina.core.specs.trial_sizes import TrialSizes, listed
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import BuildError, InputError, LaminaError, explain

__all__ = [
    "WeightMismatchError",
    "differ_only_in",
    "in_one_line",
    "input_mismatch",
    "is_raised_by_user",
    "layer_name",
    "matching_weight",
    "no_size",
    "not_a_placement",
    "unknown_dim",
    "unnamed_weight",
    "untracked_layer",
    "untracked_variable",
    "weight_in_call",
]


_NO_SIZE = "The call fails for each size of the unknown dims that was tried."


def not_a_placement(value: Any) -> str:
    """Return the text of the error for an argument `placement` of another kind."""
    return explain(
        "The argument placement is not a placement.",
        where=f"called at {site()}",
        expected="a lamina.distribute.Placement, such as Placement.fully_sharded()",
        received=f"the class {value.__name__}" if isinstance(value, type) else repr(value),
        remedy="Pass a placement, or None for the default device.",
    )


class WeightMismatchError(Exception):
    """A `build` for new shapes declares a weight of another shape than the existing one.

    Args:
        variable: the existing weight; None if there is none.
        declared: the shape that is declared now.
    """

    def __init__(self, variable: Variable | None, declared: tuple[int, ...]) -> None:
        super().__init__()
        self.variable = variable
        self.declared = declared

    @property
    def shapes(self) -> tuple[Any, Any]:
        """The shapes of the existing weight and of the declared one."""
        return None if self.variable is None else self.variable.copy_shape, self.declared

    def is_caused_by(self, old: Dim, new: Dim) -> bool:
        """Return whether an axis of the weight changes in proportion to a dim of an input."""
        if self.variable is None or len(self.variable.copy_shape) != len(self.declared):
            return True
        pairs = zip(self.variable.copy_shape, self.declared, strict=True)
        return any(
            before != after
            and isinstance(old, int)
            and isinstance(new, int)
            and before * new == after * old
            for before, after in pairs
        )


def matching_weight(variable: Variable | None, declared: Variable) -> Variable:
    """Return the existing weight for one that is declared again.

    Raises:
        WeightMismatchError: there is none, or it has another shape.
    """
    if variable is None or variable.copy_shape != declared.shape:
        raise WeightMismatchError(variable, declared.shape)
    return variable


def _differing(built: Arguments, called: Arguments) -> Iterable[tuple[int, int, Spec, Spec]]:
    """Yield the index and the axis of each dim that differs, with the two specs."""
    pairs = zip(built.leaves(), called.leaves(), strict=False)
    for index, (old, new) in enumerate(pairs):
        if len(old.shape) != len(new.shape):
            continue
        for axis, (a, b) in enumerate(zip(old.shape, new.shape, strict=True)):
            if a is not None and a != b:
                yield index, axis, old, new


def input_mismatch(
    label: str, place: str, built: Arguments, called: Arguments, mismatch: WeightMismatchError
) -> InputError:
    """Return the error of inputs for which a layer would need other weights.

    Args:
        label: the layer's name.
        place: where it was built.
        built: the inputs that it was built for.
        called: the inputs of the call.
        mismatch: the weight whose shape differs.
    """
    differing = list(_differing(built, called))
    causes = [
        one
        for one in differing
        if mismatch.is_caused_by(one[2].shape[one[1]], one[3].shape[one[1]])
    ]
    symptom = f"{label} was built for other inputs."
    expected, received = str(built), str(called)
    if causes or len(differing) == 1:
        index, axis, old, new = (causes or differing)[0]
        from_end = axis - len(new.shape)
        which = "its input" if len(list(called.leaves())) == 1 else f"input {index}"
        symptom = (
            f"{label} was built for size {old.shape[axis]} on axis {from_end} of {which}, "
            f"and got {new.shape[axis]}."
        )
    if mismatch.variable is not None:
        existing = mismatch.variable.copy_shape
        expected += f" (weight of shape {existing}; this input needs {mismatch.declared})"
    return InputError(
        explain(
            symptom,
            where=f"{place}; called at {site()}",
            expected=expected,
            received=received,
            remedy="Pass inputs of the built size, or create a new layer for the new size.",
        )
    )


def untracked_layer(layer: Tracked, reason: str, caller: Tracked, path: str) -> str:
    """Compose the message about a layer with weights or randomness that is not in the tree.

    Args:
        layer: the layer.
        reason: why it must be tracked: "has weights" or "draws random numbers".
        caller: the layer whose `call` uses it.
        path: the path of the caller.
    """
    where = f"made at {layer._lamina.made_at}"
    user = f"{type(caller).__name__}.call"
    if path and path != type(caller).__name__:
        user += f" ({path})"
    kind = type(layer).__name__
    if layer._lamina.made_in:
        return explain(
            f"A {kind} is created inside {user} and {reason}: it would be new in each call, and "
            "never be trained.",
            where=where,
            expected="layers created in __init__ or build",
            received="a layer created while call runs",
            remedy=f"Create it in __init__: self.name = {kind}(...).",
        )
    return explain(
        f"A {kind} is used by {user} but not tracked, and {reason}: it would not be trained or "
        "saved.",
        where=where,
        expected="a layer that the root holds, directly or through attributes, lists, tuples and "
        "dicts",
        received="a layer in a set, a closure, a global, a class or an object of another kind",
        remedy=f"Keep it as an attribute of the layer that uses it: self.name = {kind}(...); "
        "or freeze a built model that is not to be trained: trainable = False.",
    )


def unknown_dim(label: str, shape: Sequence[Dim], inputs: Arguments | None, split: bool) -> str:
    """Compose the message about a weight whose shape depends on an unknown dim.

    Args:
        label: the layer's name.
        shape: the shape of the weight.
        inputs: the inputs of the layer's first call; None if it was not called.
        split: whether the dim is unknown because `shard_map` has split it.
    """
    axis = next(index for index, dim in enumerate(shape) if not isinstance(dim, int))
    reason, remedy = (
        (
            "a dim that shard_map splits",
            "Build the model before, with the shape of the whole input.",
        )
        if split
        else (
            "an unknown dim",
            "Set that dim in the shape passed to build, or make the weight independent of it.",
        )
    )
    return explain(
        f"{label} declares a weight of shape {tuple(shape)}, which depends on {reason}"
        f"{'' if inputs is None else f' of the inputs {inputs}'}.",
        where=f"declared at {site()}",
        expected="weights that only depend on known dims",
        received=f"None on axis {axis} of the weight{_unknown_axes(inputs)}",
        remedy=remedy,
    )


def _unknown_axes(inputs: Arguments | None) -> str:
    """Return which axes of the inputs are unknown, for a message; first axes only if alone."""
    leaves = [] if inputs is None else list(inputs.leaves())
    found = [
        (axis, f"axis {axis}" + (f" of input {index}" if len(leaves) > 1 else ""), dim)
        for index, spec in enumerate(leaves)
        for axis, dim in enumerate(spec.shape)
        if not isinstance(dim, int)
    ]
    named = [text + (f" ({dim!r})" if dim else "") for axis, text, dim in found if axis > 0]
    texts = named or [text for _, text, _ in found]
    return f"; unknown in the inputs: {', '.join(texts)}" if texts else ""


def no_size(inputs: Arguments, tried: Sequence[TrialSizes], error: Exception) -> Exception:
    """Return the error of a program that no size of its unknown dims suits.

    Args:
        inputs: the inputs of the program.
        tried: the sizes that were tried.
        error: the error of the program at one of them.

    Returns:
        A `BuildError` that is caused by the error; or the error with a note if it is Lamina's.
    """
    sizes = listed(tried)
    remedy = "Set these dims in the shape: build((None, 16, 4)), Input((16, 4)) or shapes of data."
    if isinstance(error, LaminaError):
        error.add_note(
            f"unknown dims of the inputs {inputs} were tried with the sizes {sizes}. {remedy}"
        )
        return error
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if not is_library(f.filename)), None)
    found = BuildError(
        explain(
            _NO_SIZE,
            where="unknown" if last is None else str(Site(last.filename, last.lineno or 0)),
            expected=f"a size for which the call succeeds with the inputs {inputs}; tried: {sizes}",
            received=f"{type(error).__name__}: {error}",
            remedy=remedy,
        )
    )
    for note in getattr(error, "__notes__", ()):
        if note.startswith("in "):
            found.add_note(note)
    found.__cause__ = error
    return found


def in_one_line(error: BaseException) -> str:
    """Describe an error in one line, by its class and its first line."""
    if error.__cause__ is not None and str(error).startswith(_NO_SIZE):
        error = error.__cause__
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, LaminaError) and first:
        return first
    name = type(error).__name__
    return f"{name}: {first}" if first else name


def is_raised_by_user(error: Exception) -> bool:
    """Return whether a `raise` or `assert` outside of libraries raised an exception."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None or is_library(at.tb_frame.f_code.co_filename):
        return False
    return at.tb_frame.f_code.co_code[at.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def differ_only_in(first: str, second: str, numbers: tuple[str, str]) -> bool:
    """Return whether two texts are the same but for places that have a number each."""
    texts = re.split(r"(\d+)", first), re.split(r"(\d+)", second)
    if len(texts[0]) != len(texts[1]):
        return False
    return all(a == b or (a, b) == numbers for a, b in zip(*texts, strict=True))


def untracked_variable(variable: Variable, caller: Tracked) -> str:
    """Compose the message about a variable that is used but is not in the tree."""
    return explain(
        f"{variable.describe()} is used by {type(caller).__name__}.call but not tracked: "
        "it would not be trained or saved.",
        where=f"declared at {variable.declared_at}",
        expected="a variable that the root holds, directly or through attributes, lists, tuples "
        "and dicts",
        received="a variable held elsewhere",
        remedy="Keep it, or the layer that holds it, as an attribute of the layer that uses it.",
    )


def encoded_variable(path: str, variable: Variable, caller: Tracked) -> str:
    """Compose the message about the integers of a kernel that another layer reads."""
    return explain(
        f"{path} holds integers, which {type(caller).__name__} reads as if they were numbers.",
        where=f"declared at {variable.declared_at}",
        expected="a call of the layer that holds the kernel",
        received=f"a read of the kernel by {type(caller).__name__}",
        remedy="Leave the layer out of quantize by filters, or call it instead of reading its "
        "weight.",
    )


def unnamed_weight(label: str, variable: Variable) -> str:
    """Compose the message about a declared weight with neither attribute nor name."""
    return explain(
        f"{label} declares a weight of shape {variable.shape} but does not keep it.",
        where=f"declared at {variable.declared_at}",
        expected="self.kernel = self.add_weight(...), or add_weight(..., name='kernel')",
        received="a weight with neither attribute nor name",
        remedy="Assign it to an attribute, whose name is then the name of the weight.",
    )
