"""The errors of planning: who is meant, where it was made, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lamina.core.sites import site
from lamina.core.specs.spec import Arguments, Dim, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, LaminaError, explain

if TYPE_CHECKING:
    from lamina.core.building.planner import Planner
    from lamina.core.building.reached import Reached
    from lamina.core.running.scope import Frame

__all__ = [
    "MisfitError",
    "fitting",
    "misfit_error",
    "name",
    "note",
    "stale",
    "stray",
    "stray_variable",
    "unkept",
    "unknown_dim",
    "weight_in_call",
]

_NOTED = "_lamina_noted"


class MisfitError(Exception):
    """A `build` asked, for new shapes, for a weight that is not the one that is there."""

    def __init__(self, variable: Variable | None, wanted: tuple[int, ...]) -> None:
        super().__init__()
        self.variable = variable
        self.wanted = wanted


def name(planner: Planner | Frame, layer: Tracked) -> str:
    """The layer's path and class."""
    kind = type(layer).__name__
    path = planner.path_of(layer)
    return kind if not path or path == kind else f"{path} ({kind})"


def note(error: BaseException, text: str) -> None:
    """Add a place to somebody else's error, once."""
    if isinstance(error, LaminaError) or getattr(error, _NOTED, False):
        return
    error.add_note(text)
    if isinstance(error, RecursionError):
        error.add_note(
            "layers that call one another stand too deep for Python's stack: keep them in a list "
            "and call them in a loop, or raise sys.setrecursionlimit"
        )
    setattr(error, _NOTED, True)


def fitting(
    planner: Planner, layer: Tracked, variable: Variable | None, wanted: Variable
) -> Variable:
    """The weight that is there, if it is the one that is wanted."""
    if variable is None or variable.shape != wanted.shape:
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


def _with_dim(given: Arguments, built: Arguments, index: int, axis: int) -> Arguments:
    """The new specs, but one axis of one input as it was at the build."""
    olds = list(built.leaves())
    position = -1

    def one(spec: Spec) -> Spec:
        nonlocal position
        position += 1
        if position != index:
            return spec
        dims = list(spec.shape)
        dims[axis] = olds[index].shape[axis]
        return Spec(dims, spec.dtype)

    return given.map(one)


def misfit_error(
    planner: Planner,
    layer: Tracked,
    record: Reached,
    method: str,
    given: Arguments,
    why: MisfitError,
) -> InputError:
    """Which axis does not fit, what it was at the build, and where that was."""
    built = layer._lamina.built
    inputs = record.inputs if built is None else built.inputs
    where = f"first called at {record.called_at}" if built is None else f"built at {built.at}"
    label = name(planner, layer)
    differing = list(_differing(inputs, given))
    guilty = [
        found
        for found in differing
        if len(differing) == 1
        or planner.fits(layer, method, _with_dim(given, inputs, found[0], found[1]))
    ]
    symptom = f"{label} was built for other inputs."
    expected, received = str(inputs), str(given)
    if guilty:
        index, axis, old, new = guilty[0]
        from_end = axis - len(new.shape)
        which = "its input" if len(list(given.leaves())) == 1 else f"input {index}"
        symptom = (
            f"{label} was built for size {old.shape[axis]} on axis {from_end} of {which}, "
            f"and got {new.shape[axis]}."
        )
    if why.variable is not None:
        expected += f" (weight of shape {why.variable.shape}; this input needs {why.wanted})"
    return InputError(
        explain(
            symptom,
            where=f"{where}; called at {site()}",
            expected=expected,
            received=received,
            remedy="Give inputs of the built size, or make a new layer for the new size.",
        )
    )


def stray(planner: Planner, layer: Tracked, what: str) -> str:
    """A layer that has weights or randomness is used but is not in the tree."""
    caller = planner.strays[id(layer)][1]
    where = f"made at {layer._lamina.made_at}"
    user, path = f"{type(caller).__name__}.call", planner.path_of(caller)
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
        "a finished model that stays as it is may be frozen: trainable = False.",
    )


def unknown_dim(planner: Planner, layer: Tracked, shape: Sequence[Dim]) -> str:
    """A weight would depend on a dim that is not known."""
    record = planner.reached.get(id(layer))
    inputs = "" if record is None else f", for inputs {planner.unknown(record)}"
    axis = next(index for index, dim in enumerate(shape) if not isinstance(dim, int))
    reason, remedy = (
        ("that shard_map has split", "Build the model before, with the shape of the whole input.")
        if planner.split
        else (
            "that is not known",
            "Give that dim a size where the model is built, or make the weight independent of it.",
        )
    )
    return explain(
        f"{name(planner, layer)} declares a weight of shape {tuple(shape)}: it depends on a dim "
        f"{reason}{inputs}.",
        where=f"declared at {site()}",
        expected="weights that depend on known dims alone",
        received=f"None on axis {axis} of the weight",
        remedy=remedy,
    )


def stray_variable(planner: Planner, variable: Variable) -> str:
    return explain(
        f"{variable.describe()} is used by {type(planner.caller()).__name__}.call but not tracked: "
        "it would not be trained or saved.",
        where=f"declared at {variable.declared_at}",
        expected="a variable that attributes, lists, tuples or dicts lead to from the root",
        received="a variable held elsewhere",
        remedy="Keep it, or the layer that owns it, as an attribute of the layer that uses it.",
    )


def unkept(planner: Planner, layer: Tracked, variable: Variable) -> str:
    return explain(
        f"{name(planner, layer)} declares a weight of shape {variable.shape} and keeps it nowhere.",
        where=f"declared at {variable.declared_at}",
        expected="self.kernel = self.add_weight(...), or add_weight(..., name='kernel')",
        received="a weight with neither attribute nor name",
        remedy="Assign it to an attribute: its name comes from there.",
    )


def weight_in_call(planner: Planner | Frame, layer: Tracked) -> str:
    return explain(
        f"{name(planner, layer)} calls add_weight inside call.",
        where=f"called at {site()}",
        expected="weights declared in build or __init__",
        received="add_weight while call ran",
        remedy="Move it to build(self, input_shape), which runs once, when the shapes are known.",
    )


def stale(path: str, variables: Iterable[str]) -> str:
    listing = ", ".join(variables)
    return explain(
        f"{path} did not read all of its weights in this call ({listing}): a function kept "
        "between calls holds old weights.",
        where=f"called at {site()}",
        expected="every weight read anew in every call",
        received="a function (self.step = ..., or a module-level def) that JAX remembered "
        "from an earlier call, with the weights of then",
        remedy="Define the function given to scan, jit, checkpoint or cond inside call, or "
        "pass the weights to it as arguments.",
    )
