"""`lamina.doctor`: examines a model, and reports what is wrong or unwise in it."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import numpy as np

from lamina.core.base.inputs import as_arguments
from lamina.core.base.pytrees import leaves_of, map_tree
from lamina.core.base.sites import site
from lamina.core.building.request import Request, request_for
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments
from lamina.core.tree.walk import walk
from lamina.errors import LaminaError
from lamina.hidden_output import hidden_output
from lamina.layer import Layer
from lamina.models.doctor.building import build_failure, fixed_batch, hidden_layers
from lamina.models.doctor.loss_checks import loss_findings
from lamina.models.doctor.pass_checks import pass_findings
from lamina.models.doctor.patient import Patient
from lamina.models.doctor.plan_checks import plan_findings
from lamina.models.doctor.running import MOST_WEIGHTS, run_passes
from lamina.reports.diagnosis import Diagnosis, Finding
from lamina.reports.examination import examine

__all__ = ["doctor"]

_MOST_EXAMPLES = 64


def doctor(model: Layer, *specs: Any, **named: Any) -> Diagnosis:
    """Examine a model, and report what is wrong or unwise in it.

    The model is planned. A copy of it is then built and run on a small batch, in training and
    outside of it, and the gradient of a random function of the outputs is computed. The model is
    not changed.

    Args:
        model: the model, or any layer.
        *specs: the inputs of ``call``: shapes, specs or arrays, as those of ``build``. Arrays are
            used as they are, at most 64 examples; for other inputs, random numbers are drawn.
            Without any, a built model is examined for the inputs that it was built for.
        **named: inputs by name.

    Returns:
        A :class:`lamina.reports.Diagnosis`, False as a bool if nothing was found. Its ``findings``
        each have ``code``, ``severity``, ``path``, ``message``, ``where`` and ``remedy``.

    Raises:
        InputError: the inputs are missing, or do not match the arguments of ``call``.

    >>> from lamina import Sequential, layers
    >>> model = Sequential([layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)])
    >>> [(finding.code, finding.path) for finding in doctor(model, (None, 4))]
    [('bias-before-normalization', 'layers.0')]
    """
    request, arrays = _request(model, specs, named)
    label = type(model).__name__
    try:
        with hidden_output():  # output of user code
            plan = examine(model, *request.specs.args, **_named(request))
    except Exception as error:
        findings = [build_failure(error, model)]
        with contextlib.suppress(LaminaError):
            hidden = list(hidden_layers(walk(model)))
            known = [one for one in hidden if _is_named(one, findings[0])][:1]
            findings += [one for one in hidden if one not in known]
        notes = ("The model cannot be built: what needs a call is not checked.",)
        return Diagnosis(label, tuple(findings), notes)
    patient = Patient(model, walk(model), plan)
    free, finding = fixed_batch(request)
    findings = [] if finding is None else [finding]
    numbers = sum(variable.size for variable in plan.variables)
    if numbers > MOST_WEIGHTS:
        patient.notes.append(
            f"The model has {numbers:,} weights and was not run: gradients, activations and "
            "neighbouring layers are not checked."
        )
    else:
        try:
            patient.passes = run_passes(model, request, plan, arrays, free)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            patient.notes.append(
                f"A copy of the model could not be run ({type(error).__name__}: {first}): "
                "gradients, activations and neighbouring layers are not checked."
            )
    findings += [*plan_findings(patient), *loss_findings(patient), *pass_findings(patient)]
    findings.sort(key=lambda one: one.severity != "error")
    return Diagnosis(label, _distinct(findings), tuple(patient.notes))


def _is_named(hidden: Finding, error: Finding) -> bool:
    """Whether the error of a build is about a hidden layer: of the same class and line."""
    start = hidden.message.split(" ")[:2]
    return hidden.where == error.where and error.message.split(" ")[:2] == start


def _distinct(findings: list[Finding]) -> tuple[Finding, ...]:
    """Leave out what follows from another finding about the same layer."""
    softmax = {one.path for one in findings if one.code in ("softmax-of-one", "one-class")}
    causes = {"normalization-of-one", "softmax-of-one", "few-values-normalized", "dead-units"}
    stuck = any(one.code in causes for one in findings)
    return tuple(
        one
        for one in dict.fromkeys(findings)
        if not (one.code == "no-gradient" and stuck)
        and not (one.code == "one-class" and one.path in softmax and len(softmax) > 1)
    )


def _named(request: Request) -> dict[str, Any]:
    options = {"training": request.training} if request.training else {}
    method = {} if request.method == "call" else {"method": request.method}
    return request.specs.kwargs | method | options


def _request(
    model: Layer, specs: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Request, Arguments | None]:
    """The inputs to examine a model for, and the user's arrays, if all inputs are arrays."""
    built = model._lamina.built
    if not specs and not named and built is not None:
        info = method_of(type(model), built.method)
        mode = info.training_default
        return Request(model, built.method, built.inputs, mode, site()), None
    request, _ = request_for(model, specs, named)
    leaves = leaves_of((specs, named))
    if not leaves or not all(isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves):
        return request, None
    firsts = {leaf.shape[:1] for leaf in leaves}
    args, kwargs = as_arguments(specs, named, type(model).__name__)
    given = Arguments(args, kwargs)
    if len(firsts) == 1 and firsts != {()} and firsts.pop()[0] > _MOST_EXAMPLES:
        args, kwargs = map_tree(lambda leaf: leaf[:_MOST_EXAMPLES], (args, kwargs))
        given = Arguments(args, kwargs)
    return request, given
