"""Reductions, cumulative functions, sorting and products of `keras.ops.numpy`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.models.array_functions.values import (
    Function,
    array,
    binary,
    floats,
    refused,
    unary,
    wide,
)

__all__ = ["REDUCTIONS"]

_linalg: Any = jnp.linalg


def _reduction(function: Function) -> Function:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return function(array(x), axis=axis, keepdims=keepdims)

    return reduce


def _extreme(function: Function) -> Function:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
        return function(array(x), axis=axis, keepdims=keepdims, initial=initial)

    return reduce


def _float_reduction(function: Function) -> Function:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return function(floats(x), axis=axis, keepdims=keepdims)

    return reduce


def _wide_reduction(function: Function) -> Function:
    """A reduction in at least float32, in the dtype of x if that is floating."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        found = function(wide(x), axis=axis, keepdims=keepdims)
        dtype = array(x).dtype
        return found.astype(dtype) if jnp.issubdtype(dtype, jnp.floating) else found

    return reduce


def _cumulative(function: Function) -> Function:
    def apply(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
        return function(array(x), axis=axis, dtype=dtype)

    return apply


def _ranked(function: Function) -> Function:
    """A quantile or percentile."""

    def apply(
        x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
    ) -> Any:
        return function(floats(x), floats(q), axis=axis, method=method, keepdims=keepdims)

    return apply


def _argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    x = array(x)
    return jnp.argpartition(jnp.ravel(x) if axis is None else x, kth, 0 if axis is None else axis)


def _argsort(x: Any, axis: int | None = -1) -> Any:
    x = array(x)
    return jnp.argsort(x, axis=None if x.ndim == 0 else axis)


def _average(x: Any, weights: Any = None, axis: Any = None) -> Any:
    x = floats(x)
    if weights is None:
        return jnp.average(x, axis=axis)
    weights = floats(weights)
    dtype = jnp.promote_types(x.dtype, weights.dtype)
    return jnp.average(x.astype(dtype), axis=axis, weights=weights.astype(dtype))


def _correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    return jnp.correlate(array(x1), array(x2), mode)


def _count_nonzero(x: Any, axis: Any = None) -> Any:
    return jnp.count_nonzero(array(x), axis=axis).astype(jnp.int32)


def _cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    return jnp.cross(array(x1), array(x2), axisa, axisb, axisc, axis)


def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    a = array(a)
    # jax.numpy takes n steps, of which those after the last element do nothing
    return jnp.diff(a, n=min(n, a.shape[axis]), axis=axis)


def _digitize(x: Any, bins: Any) -> Any:
    return jnp.digitize(array(x), array(bins))


def _einsum(*operands: Any, subscripts: str) -> Any:
    arrays = [array(one) for one in operands]
    small = all(one.dtype == jnp.int8 for one in arrays)
    wanted = jnp.int32 if small else None
    return jnp.einsum(subscripts, *arrays, preferred_element_type=wanted)


def _histogram(x: Any, bins: int = 10, range: Any = None) -> Any:
    x = array(x)
    if x.ndim > 1:
        raise refused("Histogram", "an array of one axis", f"shape {x.shape}")
    return tuple(jnp.histogram(x, bins=bins, range=range))


def _matmul(x1: Any, x2: Any) -> Any:
    x1, x2 = array(x1), array(x2)
    small = x1.dtype == x2.dtype == jnp.int8
    return jnp.matmul(x1, x2, preferred_element_type=jnp.int32 if small else None)


def _prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    return jnp.prod(array(x), axis=axis, keepdims=keepdims, dtype=dtype)


def _search_sorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    return jnp.searchsorted(array(sorted_sequence), array(values), side=side)


def _sort(x: Any, axis: int = -1) -> Any:
    return jnp.sort(array(x), axis=axis)


def _tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    return jnp.tensordot(array(x1), array(x2), axes=axes)


def _trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return jnp.trace(array(x), offset=offset, axis1=axis1, axis2=axis2)


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    return jnp.trapezoid(array(y), None if x is None else array(x), array(dx), axis)


REDUCTIONS: dict[str, Function] = {
    "All": _reduction(jnp.all),
    "Amax": _reduction(jnp.amax),
    "Amin": _reduction(jnp.amin),
    "Any": _reduction(jnp.any),
    "Argmax": _reduction(jnp.argmax),
    "Argmin": _reduction(jnp.argmin),
    "Argpartition": _argpartition,
    "Argsort": _argsort,
    "Average": _average,
    "Corrcoef": unary(jnp.corrcoef),
    "Correlate": _correlate,
    "CountNonzero": _count_nonzero,
    "Cross": _cross,
    "Cumprod": _cumulative(jnp.cumprod),
    "Cumsum": _cumulative(jnp.cumsum),
    "Diff": _diff,
    "Digitize": _digitize,
    "Dot": binary(jnp.dot),
    "Einsum": _einsum,
    "Histogram": _histogram,
    "Inner": binary(jnp.inner),
    "Kron": binary(jnp.kron),
    "Matmul": _matmul,
    "Max": _extreme(jnp.max),
    "Mean": _wide_reduction(jnp.mean),
    "Median": _float_reduction(jnp.median),
    "Min": _extreme(jnp.min),
    "Nanargmax": _reduction(jnp.nanargmax),
    "Nanargmin": _reduction(jnp.nanargmin),
    "Nancumprod": _cumulative(jnp.nancumprod),
    "Nancumsum": _cumulative(jnp.nancumsum),
    "Nanmax": _reduction(jnp.nanmax),
    "Nanmean": _reduction(jnp.nanmean),
    "Nanmedian": _reduction(jnp.nanmedian),
    "Nanmin": _reduction(jnp.nanmin),
    "Nanpercentile": _ranked(jnp.nanpercentile),
    "Nanprod": _reduction(jnp.nanprod),
    "Nanquantile": _ranked(jnp.nanquantile),
    "Nanstd": _reduction(jnp.nanstd),
    "Nansum": _reduction(jnp.nansum),
    "Nanvar": _reduction(jnp.nanvar),
    "Outer": binary(jnp.outer),
    "Percentile": _ranked(jnp.percentile),
    "Prod": _prod,
    "Ptp": _reduction(jnp.ptp),
    "Quantile": _ranked(jnp.quantile),
    "SearchSorted": _search_sorted,
    "Slogdet": unary(lambda x: tuple(_linalg.slogdet(x))),
    "Sort": _sort,
    "Std": _float_reduction(jnp.std),
    "Sum": _reduction(jnp.sum),
    "Tensordot": _tensordot,
    "Trace": _trace,
    "Trapezoid": _trapezoid,
    "Var": _wide_reduction(jnp.var),
    "Vdot": binary(jnp.vdot),
}
"""The functions by Keras's class names."""
