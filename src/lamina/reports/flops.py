"""The number of floating-point operations of the calls in a program."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.building.plan import PlannedCall
from lamina.core.building.recording import SCOPE_NAME
from lamina.reports.programs import CONVOLUTIONS, convolution_parts, inner_programs

__all__ = ["count_flops"]

_SCOPE = re.compile(rf"{SCOPE_NAME}(\d+)")
_MOVES = frozenset(
    [
        *("broadcast_in_dim", "reshape", "transpose", "slice", "squeeze", "concatenate", "pad"),
        *("convert_element_type", "bitcast_convert_type", "copy", "copy_p", "iota", "gather"),
        *(
            "dynamic_slice",
            "dynamic_update_slice",
            "rev",
            "split",
            "stack",
            "unstack",
            "tile",
            "select_n",
            "expand_dims",
        ),
        *("stop_gradient", "optimization_barrier", "eq", "ne", "lt", "le", "gt", "ge", "and", "or"),
        *("not", "xor", "scatter", "sort", "argmax", "argmin", "random_bits", "random_wrap"),
        *("random_unwrap", "random_fold_in", "random_split", "random_seed", "threefry2x32"),
        *("is_finite", "sign", "shift_right_logical", "shift_left", "clamp", "pjit", "axis_index"),
    ]
)
"""Operations that move, compare or draw numbers; they are not counted."""


def count_flops(program: Any, calls: Sequence[PlannedCall], copies: Mapping[str, int]) -> list[int]:
    """Count the floating-point operations of each call, with those of the calls within it.

    A multiplication and an addition count as two. An operation on each element counts once an
    element, whatever it is. The body of a loop counts as often as it runs, if that is known, else
    once.

    Args:
        program: the program, a ``Jaxpr``.
        calls: the calls of the plan, whose scopes the equations are in.
        copies: the number of equal layers that a layer stands for, by its path. Its calls count as
            those of one, and the call around them as all.

    Returns:
        The number for each call.
    """
    counts = [0] * len(calls)
    _add(program, counts, -1, 1)
    for index in range(len(calls) - 1, -1, -1):
        caller = calls[index].caller
        if caller >= 0:
            counts[caller] += counts[index] * copies.get(calls[index].path, 1)
    return counts


def _add(program: Any, counts: list[int], outer: int, times: int) -> None:
    owners: dict[str, int] = {}
    for equation in program.eqns:
        scope = str(equation.source_info.name_stack)
        if scope not in owners:
            found = _SCOPE.findall(scope)
            inner = int(found[-1]) if found else outer
            owners[scope] = inner if inner < len(counts) else outer
        owner, within = owners[scope], False
        for inner in inner_programs(equation):
            within = True
            _add(inner.program, counts, owner, times * inner.repeats)
        if not within and owner >= 0:
            counts[owner] += times * _operations(equation)


def _operations(equation: Any) -> int:
    name = equation.primitive.name
    if name in _MOVES or not equation.outvars:
        return 0
    output = math.prod(equation.outvars[0].aval.shape)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * output * math.prod(shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
        return 2 * output * math.prod(kernel) // features
    if name in CONVOLUTIONS:
        _, kernel, output = (atom.aval.shape for atom in convolution_parts(equation))
        return 2 * math.prod(output) * math.prod(kernel[:-1])
    if name.startswith(("reduce", "cum", "arg")):
        return math.prod(equation.invars[0].aval.shape)
    return output
