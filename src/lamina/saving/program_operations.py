"""Checking every operation of an exported program before it is compiled.

Only operations that compute arrays from arrays are allowed: XLA checks their sizes. Custom kernels
are not checked: those of LAPACK, for example, write beyond the end of an array if a program gives a
wrong shape, and callbacks call Python. So custom kernels are not allowed.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from typing import Any

__all__ = ["check_operations"]

_ARITHMETIC = frozenset(
    """
    abs add and atan2 bitcast_convert broadcast_in_dim case cbrt ceil cholesky clamp compare
    complex composite concatenate constant convert convolution cosine count_leading_zeros
    custom_call divide dot_general dynamic_broadcast_in_dim dynamic_conv dynamic_gather
    dynamic_iota dynamic_pad dynamic_reshape dynamic_slice dynamic_update_slice exponential
    exponential_minus_one fft floor gather get_dimension_size if imag iota is_finite log
    log_plus_one logistic maximum minimum multiply negate not optimization_barrier or pad popcnt
    power real real_dynamic_slice reduce reduce_precision reduce_window remainder reshape return
    reverse rng_bit_generator round_nearest_afz round_nearest_even rsqrt scatter select
    select_and_scatter shift_left shift_right_arithmetic shift_right_logical sign sine slice sort
    sqrt subtract tan tanh transpose triangular_solve while xor
    """.split()  # noqa: SIM905 - a list would be ten times as long
)
"""The operations of StableHLO, except communication with hosts and devices, and tokens."""

_CALLS = frozenset(
    {
        "shape_assertion",
        "stablehlo.dynamic_reduce_window",
        "stablehlo.dynamic_rng_bit_generator",
        "stablehlo.dynamic_top_k",
    }
)
"""Custom calls that XLA replaces by StableHLO operations."""

_COMPOSITES = frozenset(
    """
    acos acosh asin asinh atan atanh bessel_i1e conj cosh digamma erf erf_inv erfc is_inf
    is_neg_inf is_pos_inf lgamma mulhi next_after polygamma ragged_dot sinh square tan top_k zeta
    """.split()  # noqa: SIM905 - a list would be ten times as long
)
"""Functions of CHLO, whose decomposition is part of the program."""

_MOST_OPERATIONS = 20_000_000
_DEEPEST_CALL = 200


def check_operations(module: Any) -> None:
    """Raise an error unless a program has only allowed operations, and no recursion.

    Args:
        module: a module of StableHLO.

    Raises:
        ValueError: it has another operation, calls a custom kernel, is recursive, or too large.
    """
    called: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for function in module.body.operations:
        if function.operation.name != "func.func":
            raise ValueError(f"the program has the operation {function.operation.name[:80]!r}")
        name = function.attributes["sym_name"].value
        called[name], sizes[name] = [], 0
        for operation in _operations(function.operation):
            _check(operation)
            called[name] += _callees(operation)
            sizes[name] += 1
    _check_calls(called, sizes)


def _operations(outer: Any) -> Iterator[Any]:
    pending = [outer]
    while pending:
        for region in pending.pop().regions:
            for block in region:
                for inner in block:
                    yield inner.operation
                    pending.append(inner.operation)


def _check(operation: Any) -> None:
    dialect, _, name = operation.name.partition(".")
    if dialect == "func" and name in ("call", "return"):
        return
    if dialect != "stablehlo" or name not in _ARITHMETIC:
        raise ValueError(f"the program has the operation {operation.name[:80]!r}")
    if name == "custom_call":
        target = operation.attributes["call_target_name"].value
        if target not in _CALLS:
            raise ValueError(f"the program calls the kernel {target[:80]!r}")
    if name == "composite":
        target = operation.attributes["name"].value
        if target.partition(".")[0] != "chlo" or target.partition(".")[2] not in _COMPOSITES:
            raise ValueError(f"the program has the composite operation {target[:80]!r}")


def _callees(operation: Any) -> list[str]:
    """The names of the functions that an operation calls."""
    attributes = operation.attributes
    found = [attributes[name] for name in ("callee", "decomposition") if name in attributes]
    if "called_computations" in attributes:
        found += list(attributes["called_computations"])
    return [symbol.value for symbol in found]


def _check_calls(called: dict[str, list[str]], sizes: dict[str, int]) -> None:
    """Limit the depth of calls, and the number of operations after inlining all calls."""
    depths: dict[str, int] = {}
    try:
        order = list(graphlib.TopologicalSorter(called).static_order())
    except graphlib.CycleError as error:
        raise ValueError("a function of the program calls itself") from error
    for name in order:
        callees = called[name]
        depths[name] = 1 + max((depths[callee] for callee in callees), default=0)
        sizes[name] += sum(sizes[callee] for callee in callees)
        if depths[name] > _DEEPEST_CALL:
            raise ValueError(f"calls of the program go {depths[name]} deep")
        if sizes[name] > _MOST_OPERATIONS:
            raise ValueError(f"the program has {sizes[name]:,} operations with all calls")
