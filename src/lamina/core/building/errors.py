"""The errors of planning: which layer, where it was made, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.core.base.sites import site
from lamina.core.running.errors import layer_name, weight_in_call
from lamina.core.specs.spec import Arguments, Dim, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain

__all__ = [
    "MisfitError",
    "fitting",
    "layer_name",
    "misfit",
    "stray",
    "stray_variable",
    "unkept",
    "unknown_dim",
    "weight_in_call",
]


class MisfitError(Exception):
    """A `build` asked, for new shapes, for a weight that is not the one that is there."""

    def __init__(self, variable: Variable | None, wanted: tuple[int, ...]) -> None:
        super().__init__()
        self.variable = variable
        self.wanted = wanted

    def explains(self, old: Dim, new: Dim) -> bool:
        """Whether an axis of the weight would go from one size to the other, or a multiple."""
        if self.variable is None or len(self.variable.copy_shape) != len(self.wanted):
            return True
        pairs = zip(self.variable.copy_shape, self.wanted, strict=True)
        return any(
            had != wants
            and isinstance(old, int)
            and isinstance(new, int)
            and had * new == wants * old
            for had, wants in pairs
        )


def fitting(variable: Variable | None, wanted: Variable) -> Variable:
    """The weight that is there, if it is the one that is wanted."""
    if variable is None or variable.copy_shape != wanted.shape:
        raise MisfitError(variable, wanted.shape)
    return variable


def _differing(built: Arguments, given: Arguments) -> Iterable[tuple[int, int, Spec, Spec]]:
    pairs = zip(built.leaves(), given.leaves(), strict=False)
    for index, (old, new) in enumerate(pairs):
        if len(old.shape) != len(new.shape):
            continue
        for axis, (a, b) in enumerate(zip(old.shape, new.shape, strict=True)):
            if a is not None and a != b:
                yield index, axis, old, new


def misfit(
    label: str, place: str, inputs: Arguments, given: Arguments, why: MisfitError
) -> InputError:
    """The error of inputs for which a layer's weights do not fit.

    Args:
        label: the layer's name.
        place: where it was built.
        inputs: what it was built for.
        given: what it is called with.
        why: the weight that does not fit.
    """
    differing = list(_differing(inputs, given))
    guilty = [one for one in differing if why.explains(one[2].shape[one[1]], one[3].shape[one[1]])]
    symptom = f"{label} was built for other inputs."
    expected, received = str(inputs), str(given)
    if guilty or len(differing) == 1:
        index, axis, old, new = (guilty or differing)[0]
        from_end = axis - len(new.shape)
        which = "its input" if len(list(given.leaves())) == 1 else f"input {index}"
        symptom = (
            f"{label} was built for size {old.shape[axis]} on axis {from_end} of {which}, "
            f"and got {new.shape[axis]}."
        )
    if why.variable is not None:
        expected += f" (weight of shape {why.variable.copy_shape}; this input needs {why.wanted})"
    return InputError(
        explain(
            symptom,
            where=f"{place}; called at {site()}",
            expected=expected,
            received=received,
            remedy="Give inputs of the built size, or make a new layer for the new size.",
        )
    )


def stray(layer: Tracked, what: str, caller: Tracked, path: str) -> str:
    """A layer that has weights or randomness is used but is not in the tree.

    Args:
        layer: the layer.
        what: why that is wrong: "has weights".
        caller: the layer whose `call` uses it.
        path: of the caller.
    """
    where = f"made at {layer._lamina.made_at}"
    user = f"{type(caller).__name__}.call"
    if path and path != type(caller).__name__:
        user += f" ({path})"
    kind = type(layer).__name__
    if layer._lamina.made_in:
        return explain(
            f"A {kind} is made inside {user} and {what}: it would be new at every call, so it "
            "would never be trained.",
            where=where,
            expected="layers made once, in __init__ or build",
            received="a layer made while call ran",
            remedy=f"Make it in __init__: self.name = {kind}(...).",
        )
    return explain(
        f"A {kind} is used by {user} but not tracked, and {what}: it would not be trained or "
        "saved.",
        where=where,
        expected="a layer that attributes, lists, tuples or dicts lead to from the root",
        received="a layer held by a set, a closure, a global, a class or a plain object",
        remedy=f"Keep it on the layer that uses it: self.name = {kind}(...); "
        "a finished model that is not to change may be frozen: trainable = False.",
    )


def unknown_dim(label: str, shape: Sequence[Dim], inputs: Arguments | None, split: bool) -> str:
    """A weight would depend on a dim that is not known.

    Args:
        label: the layer's name.
        shape: of the weight.
        inputs: what the layer was first called with; None if it was not.
        split: whether `shard_map` is why the dim is not known.
    """
    axis = next(index for index, dim in enumerate(shape) if not isinstance(dim, int))
    reason, remedy = (
        ("that shard_map has split", "Build the model before, with the shape of the whole input.")
        if split
        else (
            "that is not known",
            "Give that dim a size where the model is built, or make the weight independent of it.",
        )
    )
    return explain(
        f"{label} declares a weight of shape {tuple(shape)}: it depends on a dim {reason}"
        f"{'' if inputs is None else f', for inputs {inputs}'}.",
        where=f"declared at {site()}",
        expected="weights that depend on known dims alone",
        received=f"None on axis {axis} of the weight",
        remedy=remedy,
    )


def stray_variable(variable: Variable, caller: Tracked) -> str:
    return explain(
        f"{variable.describe()} is used by {type(caller).__name__}.call but not tracked: "
        "it would not be trained or saved.",
        where=f"declared at {variable.declared_at}",
        expected="a variable that attributes, lists, tuples or dicts lead to from the root",
        received="a variable held elsewhere",
        remedy="Keep it, or the layer that owns it, as an attribute of the layer that uses it.",
    )


def unkept(label: str, variable: Variable) -> str:
    return explain(
        f"{label} declares a weight of shape {variable.shape} and keeps it nowhere.",
        where=f"declared at {variable.declared_at}",
        expected="self.kernel = self.add_weight(...), or add_weight(..., name='kernel')",
        received="a weight with neither attribute nor name",
        remedy="Assign it to an attribute: its name comes from there.",
    )
