"""Checks of small passes: gradients, dead units, scales, and layers that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.sites import Site, is_library
from lamina.core.tree.trainable import frozen_variables
from lamina.layers.batch_normalization import BatchNormalization
from lamina.layers.convolution.convolution import Convolving
from lamina.layers.dense import Dense
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.noise import Noise
from lamina.layers.regularization import Dropout
from lamina.models.doctor.patient import Passes, Patient, SeenCall, activation_of, is_float
from lamina.reports.diagnosis import Finding
from lamina.reports.dims import Dims
from lamina.reports.programs import is_variable

__all__ = ["pass_findings"]

_MOST = 0.9
"""The fraction of units from which on a layer counts as dead or saturated."""

_GROWTH = 1e4
"""The factor by which activations may grow or shrink through the depth."""

_PRODUCTS = (Dense, EinsumDense, Convolving)


def pass_findings(patient: Patient) -> Iterator[Finding]:
    """Find what small passes of a model show."""
    passes = patient.passes
    if passes is None:
        return
    known: set[str] = set()
    for finding in (*_neighbours(patient, passes), *_last(patient, passes)):
        if finding.code == "bias-before-normalization":
            known.add(finding.path)
        yield finding
    yield from _dead(patient, passes)
    yield from _scales(patient, passes)
    yield from _finite(patient, passes)
    yield from _modes(patient, passes)
    yield from _equal_units(patient, passes)
    yield from _broadcast(patient, passes)
    yield from _masks(patient, passes)
    yield from _still(patient, passes, known)


def _still(patient: Patient, passes: Passes, known: set[str]) -> Iterator[Finding]:
    if passes.still is None:
        patient.notes.append("gradients are not checked: no output is of floating-point numbers.")
        return
    if patient.has_own_loss:
        if passes.still:
            patient.notes.append(
                f"{passes.still[0][0]} gets no gradient from the outputs of call; train_loss may "
                "give it one."
            )
        return
    owners: dict[str, list[tuple[str, Any]]] = {}
    for path, variable in passes.still:
        owner = path.rpartition(".")[0]
        if not (owner in known and path.endswith(".bias")):
            owners.setdefault(owner, []).append((path, variable))
    inputs = "the given" if passes.given else "random"
    for owner, weights in owners.items():
        names = ", ".join(path.rpartition(".")[2] for path, _ in weights)
        count = sum(variable.size for _, variable in weights)
        layer = patient.layers.get(owner)
        where = weights[0][1].declared_at if layer is None else layer._lamina.made_at
        yield Finding(
            "no-gradient",
            "warning",
            owner,
            f"The gradient of {names} ({count:,} numbers) is exactly 0 for {inputs} inputs, "
            "whatever the loss: training does not change them.",
            str(where),
            "Look for stop_gradient, argmax, rounding or an unused result after the layer; or set "
            "trainable=False.",
        )


def _biased(layer: Any) -> bool:
    linear = isinstance(layer, _PRODUCTS) and activation_of(layer) is None
    return linear and getattr(layer, "bias", None) is not None


def _neighbours(patient: Patient, passes: Passes) -> Iterator[Finding]:
    reported: set[tuple[str, str]] = set()
    for maker, taker in passes.links():
        if (maker.path, taker.path) not in reported:
            reported.add((maker.path, taker.path))
            if isinstance(taker.layer, BatchNormalization) and taker.layer.trainable:
                yield from _before_normalization(patient, passes, maker, taker)
            yield from _two_softmax(patient, maker, taker)
            yield from _linear_pair(patient, passes, maker, taker)


def _before_normalization(
    patient: Patient, passes: Passes, maker: SeenCall, taker: SeenCall
) -> Iterator[Finding]:
    layer: Any = maker.layer
    if _drops(layer):
        yield patient.finding(
            "dropout-before-normalization",
            "warning",
            maker.path,
            f"Dropout({layer.rate:g}) feeds {patient.name(taker.path)}: the variance in training "
            "is larger than that of inference, and the moving averages do not fit.",
            "Put Dropout after the last BatchNormalization.",
        )
    only = passes.only_into(maker, BatchNormalization) and _per_channel(maker, taker)
    if taker.layer.center and _biased(layer) and only:
        yield patient.finding(
            "bias-before-normalization",
            "warning",
            maker.path,
            f"Its bias of {layer.bias.size:,} numbers has no effect: {patient.name(taker.path)} "
            "subtracts the mean, and adds its own beta.",
            "Pass use_bias=False.",
        )


def _linear_pair(
    patient: Patient, passes: Passes, maker: SeenCall, taker: SeenCall
) -> Iterator[Finding]:
    if not _is_linear_pair(maker, taker) or not passes.only_into(maker, Dense):
        return
    if id(maker.layer.kernel) in frozen_variables(passes.tree):
        return  # the outputs of a trained model, which others are computed from
    first, kept, last = _width(maker.inputs), maker.layer.units, taker.layer.units
    if kept >= min(first, last):
        yield patient.finding(
            "linear-after-linear",
            "warning",
            maker.path,
            f"{patient.name(maker.path)} and {patient.name(taker.path)} have no activation "
            f"between them: {first} -> {kept} -> {last} computes no more than one Dense of "
            f"{first} -> {last}.",
            "Pass an activation to the first, or remove it.",
        )


def _drops(layer: Any) -> bool:
    return isinstance(layer, Dropout) and layer.rate > 0


def _per_channel(maker: SeenCall, taker: SeenCall) -> bool:
    """Whether the normalized axis is the one that the bias runs over, the last."""
    return taker.layer.axis in (-1, maker.outputs[0].ndim - 1)


def _width(inputs: tuple[Any, ...]) -> int:
    return inputs[0].shape[-1]


def _is_linear_pair(maker: SeenCall, taker: SeenCall) -> bool:
    both = type(maker.layer) is Dense and type(taker.layer) is Dense
    return both and maker.layer is not taker.layer and activation_of(maker.layer) is None


def _two_softmax(patient: Patient, maker: SeenCall, taker: SeenCall) -> Iterator[Finding]:
    if activation_of(maker.layer) != "softmax" or activation_of(taker.layer) != "softmax":
        return
    if getattr(taker.layer, "kernel", None) is None:
        yield patient.finding(
            "softmax-twice",
            "warning",
            taker.path,
            f"A softmax is applied to the softmax of {patient.name(maker.path)}: no class can get "
            "a probability near 1.",
            "Remove one of them.",
        )


def _last(patient: Patient, passes: Passes) -> Iterator[Finding]:
    if not hasattr(patient.model, "compile"):
        return  # a block: something follows it
    for _, maker in passes.of_root():
        if maker is not None and _drops(maker.layer):
            yield patient.finding(
                "dropout-last",
                "warning",
                maker.path,
                f"Dropout({maker.layer.rate:g}) is applied to the output of the model: in training "
                "the loss sees predictions that are set to 0.",
                "Put Dropout before the last layer.",
            )


def _dead(patient: Patient, passes: Passes) -> Iterator[Finding]:
    seen: set[str] = set()
    for call in passes.training:
        output, activation = call.output, activation_of(call.layer)
        if output is None or call.path in seen or output.ndim < 2 or output.shape[-1] < 4:
            continue
        seen.add(call.path)
        values = np.asarray(output, "float32").reshape(-1, output.shape[-1])
        units = output.shape[-1]
        if len(values) < 2:
            continue
        if activation in ("relu", "relu6"):
            dead = int((values == 0).all(0).sum())
            if dead >= _MOST * units and not _is_zero(call):
                yield patient.finding(
                    "dead-units",
                    "warning",
                    call.path,
                    f"{dead} of {units} units are 0 for all of {len(output)} examples: a unit that "
                    "is always 0 gets no gradient.",
                    "Look at the bias and the scale of the inputs before the relu.",
                )
        elif activation in ("tanh", "sigmoid"):
            ends = np.abs(values) > 0.995
            if activation == "sigmoid":
                ends = np.abs(values - 0.5) > 0.4975
            if ends.mean() >= _MOST:
                yield patient.finding(
                    "saturated-units",
                    "warning",
                    call.path,
                    f"{ends.mean():.0%} of the outputs of {activation} are at its ends, where its "
                    "derivative is nearly 0.",
                    "Scale the inputs to about 1, or use an initializer such as glorot_uniform.",
                )


def _is_zero(call: SeenCall) -> bool:
    """Whether all inputs of a call are zero, so that it is not the layer's fault."""
    return all(not np.any(np.asarray(one, "float32")) for one in call.inputs if is_float(one))


def _scale(array: Any) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(array, "float64")))))


def _scales(patient: Patient, passes: Passes) -> Iterator[Finding]:
    start: tuple[SeenCall, float] | None = None
    for call in passes.training:
        output = call.output
        fits = isinstance(call.layer, _PRODUCTS) and activation_of(call.layer) not in (
            "softmax",
            "sigmoid",
        )
        if output is None or not fits:
            continue
        scale = _scale(output)
        if not np.isfinite(scale) or scale == 0:
            continue
        if start is None:
            inputs = [one for one in call.inputs if is_float(one) and not is_traced(one)]
            before = _scale(inputs[0]) if inputs else 0.0
            start = call, before or scale
        first, low = start
        ratio = scale / low
        if 1 / _GROWTH <= ratio <= _GROWTH:
            continue
        grows = ratio > 1
        yield patient.finding(
            "exploding-activations" if grows else "vanishing-activations",
            "warning",
            call.path,
            f"The root mean square of the activations is {low:.2g} before "
            f"{patient.name(first.path)} and {scale:.2g} here.",
            "Use an initializer that keeps the scale (he_normal before relu, glorot_uniform), or "
            "normalization layers.",
        )
        return


def _finite(patient: Patient, passes: Passes) -> Iterator[Finding]:
    for call in passes.training:
        output = call.output
        if output is None or np.isfinite(np.asarray(output, "float32")).all():
            continue
        if not passes.given:
            patient.notes.append(
                f"{patient.name(call.path)} is not finite for random inputs; pass arrays to check "
                "it with those."
            )
            return
        yield patient.finding(
            "not-finite",
            "error",
            call.path,
            "The output is infinite or NaN for the given inputs.",
            "Keep logarithms, roots and divisions away from 0.",
        )
        return


def _modes(patient: Patient, passes: Passes) -> Iterator[Finding]:
    seen: set[str] = set()
    for calls, training in ((passes.training, True), (passes.inference, False)):
        for call in calls:
            layer = call.layer
            active = _drops(layer)
            active = active or (isinstance(layer, Noise) and not isinstance(layer, Dropout))
            normalizes = isinstance(layer, BatchNormalization) and _trains(passes, layer)
            if call.training == training or call.path in seen or not (active or normalizes):
                continue
            seen.add(call.path)
            effect = (
                "it does nothing in training"
                if training and active
                else "its moving averages are never updated"
                if training
                else "outputs are random in predict too"
                if active
                else "predictions depend on the other examples of the batch"
            )
            yield patient.finding(
                "training-fixed",
                "warning",
                call.path,
                f"It is called with training={call.training} also when the model runs with "
                f"training={training}: {effect}.",
                "Leave out training=: the mode of the model's call goes down to all layers.",
            )


def _trains(passes: Passes, layer: Any) -> bool:
    """Whether the scale or offset of a normalization is trained."""
    weights = [
        v for key, (_, v) in passes.tree.variables.items() if passes.tree.owners[key] is layer
    ]
    return layer.trainable and any(variable.trainable for variable in weights)


def _equal_units(patient: Patient, passes: Passes) -> Iterator[Finding]:
    followed = {maker.path for maker, _ in passes.links()}
    for path, layer in passes.tree.layers.values():
        kernel: Any = getattr(layer, "kernel", None)
        if not isinstance(layer, Dense | Convolving) or kernel is None or not kernel.trainable:
            continue
        if layer._lamina.copies is not None or not kernel.built or kernel.shape[-1] < 2:
            continue
        values = np.asarray(kernel.stored(), "float32")
        if (
            values.size
            and values.flat[0] != 0
            and np.all(values == values.flat[0])
            and path in followed
        ):
            yield patient.finding(
                "equal-units",
                "warning",
                path,
                f"All {values.size:,} numbers of the kernel are {values.flat[0]:g}: the "
                f"{kernel.shape[-1]} units compute the same, and get the same gradient.",
                "Use a random kernel_initializer.",
            )


_ELEMENTWISE = frozenset({"add", "sub", "mul", "div", "max", "min", "pow", "atan2"})


def _broadcast(patient: Patient, passes: Passes) -> Iterator[Finding]:
    """Find sums and products of (n, 1) and (n,), where n is the size of the batch."""
    program = passes.program.jaxpr
    arrays = program.invars[len(passes.tree.variables) :]
    firsts = [variable for variable in arrays if variable.aval.ndim]
    if not firsts:
        return
    dims = Dims(program)
    batches = {dims.of(variable)[0] for variable in firsts} - {-1}
    spread = {
        variable: equation.invars[0]
        for equation in program.eqns
        if equation.primitive.name == "broadcast_in_dim"
        for variable in equation.outvars
    }

    def before(atom: Any) -> Any:
        while is_variable(atom) and atom in spread:
            atom = spread[atom]
        return atom

    for equation in program.eqns:
        if equation.primitive.name not in _ELEMENTWISE or equation.outvars[0].aval.ndim != 2:
            continue
        one, other = dims.of(equation.outvars[0])
        narrow = [before(atom) for atom in equation.invars]
        sizes = [atom.aval.size for atom in narrow if hasattr(atom.aval, "size")]
        if one != other or one not in batches or equation.outvars[0].aval.size in sizes:
            continue
        if not all(is_variable(atom) and atom.aval.size > 1 for atom in narrow):
            continue
        n = equation.outvars[0].aval.shape[0]
        shapes = " and ".join(str(tuple(atom.aval.shape)) for atom in narrow)
        yield Finding(
            "batch-times-batch",
            "warning",
            "",
            f"{equation.primitive.name} of {shapes} gives {(n, n)}: each example is combined with "
            f"each other one of the batch of {n}.",
            _line_of(equation),
            "Give both arrays one shape: x[:, None] for (n,), or x.squeeze(-1) for (n, 1).",
        )
        return


def _line_of(equation: Any) -> str:
    """The line of the user's code that an equation comes from; empty if it is unknown."""
    traceback = equation.source_info.traceback
    frames: list[Any] = [] if traceback is None else traceback.frames
    return next(
        (str(Site(f.file_name, f.line_num)) for f in frames if not is_library(f.file_name)), ""
    )


def _masks(patient: Patient, passes: Passes) -> Iterator[Finding]:
    for text in dict.fromkeys(passes.warnings):
        symptom, _, rest = text.partition("\n")
        if "does not pass the mask on" in symptom:
            where = rest.partition("made at ")[2].partition(";")[0].strip()
            remedy = rest.partition("remedy:")[2].strip()
            yield Finding("lost-mask", "warning", symptom.split(" ")[0], symptom, where, remedy)
