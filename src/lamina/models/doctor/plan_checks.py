"""Checks of a plan: unused layers, dtypes, sizes of statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import CodeType
from typing import Any

import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of
from lamina.core.building.plan import PlannedCall, PlannedLayer
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked
from lamina.layers.bases.checks import check_axes
from lamina.layers.batch_normalization import BatchNormalization
from lamina.layers.convolution.convolution import Convolving
from lamina.layers.dense import Dense
from lamina.layers.embedding import Embedding
from lamina.layers.normalization import LayerNormalization
from lamina.models.doctor.patient import Patient, activation_of
from lamina.reports.diagnosis import Finding

__all__ = ["plan_findings"]

_FEW = 4
"""The number of values below or at which the moments of a batch are noise."""


def plan_findings(patient: Patient) -> Iterator[Finding]:
    """Find what the plan of a model shows."""
    yield from _unused(patient)
    yield from _other_mode(patient)
    first: set[str] = set()
    for call in patient.plan.calls:
        if call.path not in first:
            first.add(call.path)
            yield from _of_call(patient, call)
    yield from _float64(patient)


def _unused(patient: Patient) -> Iterator[Finding]:
    planned = {layer.path: layer for layer in patient.plan.layers}
    reached = {call.path for call in patient.plan.calls}
    for path in patient.plan.unused:
        layer = patient.layers.get(path)
        if layer is None or layer._lamina_outside:
            continue
        use = _other_use(patient, path, reached)
        if use is not None:
            patient.notes.append(f"{patient.name(path)} is not reached by call; {use}")
            continue
        yield patient.finding(
            "unused-layer",
            "warning",
            path,
            f"call never uses this {planned[path].layer}, so that it is not built and not trained.",
            "Call it, or remove the attribute.",
        )


def _other_use(patient: Patient, path: str, reached: set[str]) -> str | None:
    """Why a layer that call does not reach may be in use; None if there is no reason."""
    if patient.has_own_loss:
        return "train_loss may use it."
    above, rest = "", path
    for name in path.split("."):
        outer = f"{above}.{name}" if above else name
        if outer in patient.layers and path.startswith(outer) and outer != path:
            above, rest = outer, path[len(outer) + 1 :]
    name = rest.split(".")[0]
    owner = patient.layers[above]
    start = f"{above}.{name}" if above else name
    siblings = any(one == start or one.startswith(f"{start}.") for one in reached)
    methods = _methods(owner)
    for method in sorted(methods):
        if name in methods[method] and method != "call":
            return f"{type(owner).__name__}.{method} may use it."
    if name in methods.get("call", ()) and not siblings:
        return f"{type(owner).__name__}.call mentions it, but not for these inputs."
    return None


def _methods(owner: Tracked) -> dict[str, set[str]]:
    """The names of attributes that the methods of a user's class mention."""
    found: dict[str, set[str]] = {}
    for kind in reversed(type(owner).__mro__):
        if kind.__module__.startswith("lamina.") or kind is object:
            continue
        for name, value in vars(kind).items():
            code = getattr(value, "__code__", None) or getattr(
                getattr(value, "fget", None), "__code__", None
            )
            if code is not None and name not in ("__init__", "build", "get_config"):
                found[name] = _names(code)
    return found


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for value in code.co_consts:
        if isinstance(value, CodeType):
            names |= _names(value)
    return names


def _other_mode(patient: Patient) -> Iterator[Finding]:
    for note in patient.plan.notes:
        yield patient.finding(
            "mode-fails",
            "warning",
            "",
            f"The call fails {note}",
            "Make call work in both modes, with training=True and training=False.",
        )


def _specs(value: Any) -> list[Spec]:
    return [leaf for leaf in leaves_of(value) if isinstance(leaf, Spec)]


def _of_call(patient: Patient, call: PlannedCall) -> Iterator[Finding]:
    layer: Any = patient.layers.get(call.path)
    inputs = list(call.inputs.leaves())
    if layer is None or not inputs:
        return
    first = inputs[0]
    if isinstance(layer, Dense | Convolving) and jnp.issubdtype(first.dtype, jnp.integer):
        yield patient.finding(
            "integers-into-weights",
            "warning",
            call.path,
            f"{call.layer} multiplies {first}: integers enter its product as they are, ids as "
            "quantities and pixels as values up to 255.",
            "Use Embedding or jax.nn.one_hot for ids, and Rescaling(1 / 255) for pixels.",
        )
    if isinstance(layer, Embedding) and jnp.issubdtype(first.dtype, jnp.floating):
        yield patient.finding(
            "floats-into-embedding",
            "warning",
            call.path,
            f"Embedding gets {first}: ids are integers.",
            "Pass ids of dtype int32.",
        )
    if isinstance(layer, BatchNormalization):
        yield from _few_values(patient, call, layer, first)
    if isinstance(layer, LayerNormalization):
        sizes = [first.shape[axis] for axis in check_axes(layer, layer.axis, first.ndim)]
        if all(size == 1 for size in sizes):
            yield patient.finding(
                "normalization-of-one",
                "warning",
                call.path,
                f"{call.layer} normalizes over axes of size 1 of {first}: its output is beta "
                "whatever the input.",
                "Normalize over an axis of more than one element, or remove the layer.",
            )
    outputs = _specs(call.outputs)
    if activation_of(layer) == "softmax" and outputs and outputs[0].shape[-1:] == (1,):
        axis = getattr(layer, "axis", -1)
        if axis in (-1, (-1,), outputs[0].ndim - 1, (outputs[0].ndim - 1,)):
            yield patient.finding(
                "softmax-of-one",
                "warning",
                call.path,
                f"The softmax of {call.layer} runs over an axis of size 1 of {outputs[0]}: it is "
                "1 whatever the input, and its gradient is 0.",
                "Use a sigmoid for one output, or as many outputs as there are classes.",
            )


def _few_values(
    patient: Patient, call: PlannedCall, layer: BatchNormalization, spec: Spec
) -> Iterator[Finding]:
    (axis,) = check_axes(layer, (layer.axis,), spec.ndim)
    sizes = [dim for index, dim in enumerate(spec.shape) if index != axis]
    known = [dim for dim in sizes if isinstance(dim, int)]
    if len(known) == len(sizes) and layer.trainable and math.prod(known) <= _FEW:
        count = math.prod(known)
        effect = (
            "with 1 value the output is beta whatever the input"
            if count == 1
            else "these are mostly noise"
        )
        yield patient.finding(
            "few-values-normalized",
            "warning",
            call.path,
            f"In training, the mean and variance of each channel of {spec} are those of {count} "
            f"values: {effect}.",
            "Use larger batches, or LayerNormalization or GroupNormalization.",
        )


def _float64(patient: Patient) -> Iterator[Finding]:
    root = [call for call in patient.plan.calls if call.path == ""]
    wide = jnp.dtype("float64")
    if any(spec.dtype == wide for call in root for spec in call.inputs.leaves()):
        return
    for variable in patient.plan.variables:
        if variable.dtype == "float64":
            yield Finding(
                "float64",
                "warning",
                variable.path,
                "The weight is float64 while no input is: each product with it is computed in "
                "float64, which is slow on accelerators.",
                str(variable.declared_at),
                'Pass dtype="float32" to add_weight, or dtype= to the layer.',
            )
            return
    inner = {call.caller for call in patient.plan.calls}
    layers: dict[str, PlannedLayer] = {layer.path: layer for layer in patient.plan.layers}
    for index, call in enumerate(patient.plan.calls):
        made = any(spec.dtype == wide for spec in _specs(call.outputs))
        got = any(spec.dtype == wide for spec in call.inputs.leaves())
        if (made or got) and (index not in inner or made) and call.path in layers:
            which = "gives" if not got else "gets"
            yield patient.finding(
                "float64",
                "warning",
                call.path,
                f"{call.layer} {which} float64 while no input of the model is float64.",
                'Write float32 numbers: np.float32(x), or array.astype("float32").',
            )
            return
