"""Three products that are each other's gradients: of input and kernel, output and kernel, and both.

``convolve(x, kernel)``, ``input_gradient(y, kernel)`` and ``kernel_gradient(x, y)`` are linear in
each operand, and the transpose of each with regard to an operand is another of the three.
They are primitives of JAX, so that the CPU gets arrangements of its own (:mod:`cpu`) in the
forward pass and in derivatives of any order and mode; other devices get XLA's convolution.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from lamina.ops.convolution import cpu, library
from lamina.ops.convolution.geometry import Geometry

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

Product = Callable[[jax.Array, jax.Array, Geometry], jax.Array]
Shape = tuple[int, ...]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve x with a kernel, ``[taps..., channels / groups, filters]``, of the same dtype."""
    return _bind(_convolve, x, kernel, geometry)


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x: the transposed convolution of y."""
    return _bind(_input_gradient, y, kernel, geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    return _bind(_kernel_gradient, x, y, geometry)


def _bind(primitive: Any, left: jax.Array, right: jax.Array, geometry: Geometry) -> jax.Array:
    return primitive.bind(left, right, geometry=geometry)


def _defined(
    name: str,
    plain: Product,
    on_cpu: Product,
    shape: Callable[[Shape, Shape, Geometry], Shape | None],
) -> Any:
    """Define a primitive that the CPU computes with `on_cpu` and other devices with `plain`.

    `shape` returns the shape of the product; None if the operands do not match.
    """
    primitive: Any = Primitive(name)

    @functools.cache
    def compiled(geometry: Geometry) -> Callable[..., jax.Array]:
        return jax.jit(functools.partial(primitive.bind, geometry=geometry))

    def evaluate(left: jax.Array, right: jax.Array, *, geometry: Geometry) -> jax.Array:
        return compiled(geometry)(left, right)

    def type_of(left: Any, right: Any, *, geometry: Geometry) -> Any:
        known = shape(left.shape, right.shape, geometry)
        if known is not None and left.dtype == right.dtype and _is_plain(left) and _is_plain(right):
            return ShapedArray(known, left.dtype)

        def product(left: jax.Array, right: jax.Array) -> jax.Array:
            return plain(left, right, geometry)

        return jax.make_jaxpr(product)(left, right).out_avals[0]

    primitive.def_impl(evaluate)
    primitive.def_abstract_eval(type_of)
    for product, platform in ((plain, None), (on_cpu, "cpu")):
        mlir.register_lowering(
            primitive, mlir.lower_fun(product, multiple_results=False), platform=platform
        )
    return primitive


def _is_plain(operand: Any) -> bool:
    """Return whether an abstract array has nothing but a shape and a dtype: no explicit sharding,
    no mesh axes of `shard_map` over which it varies."""
    return operand == ShapedArray(operand.shape, operand.dtype)


def _output_shape(x: Shape, kernel: Shape, geometry: Geometry) -> Shape | None:
    fits = x == geometry.shaped(x[0], geometry.sizes, kernel[-2] * geometry.groups)
    fits = fits and kernel[:-2] == geometry.taps and kernel[-1] % geometry.groups == 0
    return geometry.shaped(x[0], geometry.outputs, kernel[-1]) if fits else None


def _input_shape(y: Shape, kernel: Shape, geometry: Geometry) -> Shape | None:
    x = geometry.shaped(y[0], geometry.sizes, kernel[-2] * geometry.groups)
    return x if _output_shape(x, kernel, geometry) == y else None


def _kernel_shape(x: Shape, y: Shape, geometry: Geometry) -> Shape | None:
    axis = _channel_axis(geometry)
    kernel = (*geometry.taps, x[axis] // geometry.groups, y[axis])
    return kernel if _output_shape(x, kernel, geometry) == y else None


def _channel_axis(geometry: Geometry) -> int:
    return 1 if geometry.channels_first else -1


_convolve = _defined("convolve", library.convolve, cpu.convolve, _output_shape)
_input_gradient = _defined(
    "input_gradient", library.input_gradient, cpu.input_gradient, _input_shape
)
_kernel_gradient = _defined(
    "kernel_gradient", library.kernel_gradient, cpu.kernel_gradient, _kernel_shape
)


def _of_input(y: jax.Array, _: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    return input_gradient(y, kernel, geometry)


def _of_kernel(y: jax.Array, x: jax.Array, _: jax.Array, geometry: Geometry) -> jax.Array:
    return kernel_gradient(x, y, geometry)


def _of_output(x: jax.Array, _: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    return convolve(x, kernel, geometry)


def _of_transposed_kernel(
    x: jax.Array, y: jax.Array, _: jax.Array, geometry: Geometry
) -> jax.Array:
    return kernel_gradient(x, y, geometry)


def _of_first_factor(
    kernel: jax.Array, _: jax.Array, y: jax.Array, geometry: Geometry
) -> jax.Array:
    return input_gradient(y, kernel, geometry)


def _of_second_factor(
    kernel: jax.Array, x: jax.Array, _: jax.Array, geometry: Geometry
) -> jax.Array:
    return convolve(x, kernel, geometry)


def _batch_kernel_product(
    product: Product, operands: tuple[Any, Any], axes: tuple[Any, Any], *, geometry: Geometry
) -> tuple[jax.Array, int]:
    """Batch a product of an array and a kernel, both of which may have the additional axis."""
    (array, kernel), (axis, kernel_axis) = operands, axes
    if kernel_axis is None:
        array = jnp.moveaxis(array, axis, 0)
        merged = product(array.reshape(-1, *array.shape[2:]), kernel, geometry)
        return merged.reshape(*array.shape[:2], *merged.shape[1:]), 0
    size = kernel.shape[kernel_axis]
    kernel = _merged(kernel, kernel_axis, -1)
    array = _merged(*_with_axis(array, axis, size), _channel_axis(geometry))
    return _split(product(array, kernel, _grouped(geometry, size)), size, _channel_axis(geometry))


def _batch_array_product(
    operands: tuple[Any, Any], axes: tuple[Any, Any], *, geometry: Geometry
) -> tuple[jax.Array, int]:
    """Batch the gradient of the kernel: the additional axis becomes groups of channels."""
    size = next(a.shape[axis] for a, axis in zip(operands, axes, strict=True) if axis is not None)
    x, y = (
        _merged(*_with_axis(array, axis, size), _channel_axis(geometry))
        for array, axis in zip(operands, axes, strict=True)
    )
    return _split(kernel_gradient(x, y, _grouped(geometry, size)), size, -1)


def _grouped(geometry: Geometry, size: int) -> Geometry:
    return dataclasses.replace(geometry, groups=geometry.groups * size)


def _with_axis(array: jax.Array, axis: int | None, size: int) -> tuple[jax.Array, int]:
    if axis is None:
        return jnp.broadcast_to(array, (size, *array.shape)), 0
    return array, axis


def _merged(array: jax.Array, axis: int, into: int) -> jax.Array:
    """Merge an additional axis into axis `into` of the others, as its major part."""
    into %= array.ndim - 1
    moved = jnp.moveaxis(array, axis, into)
    return moved.reshape(*moved.shape[:into], -1, *moved.shape[into + 2 :])


def _split(array: jax.Array, size: int, axis: int) -> tuple[jax.Array, int]:
    """Split the major part off an axis; return the array and the position of the new axis."""
    axis %= array.ndim
    shape = (*array.shape[:axis], size, -1, *array.shape[axis + 1 :])
    return array.reshape(shape), axis


batching.primitive_batchers[_convolve] = functools.partial(_batch_kernel_product, convolve)
batching.primitive_batchers[_input_gradient] = functools.partial(
    _batch_kernel_product, input_gradient
)
batching.primitive_batchers[_kernel_gradient] = _batch_array_product
_interpret: Any = ad  # its functions are untyped
_interpret.defbilinear(_convolve, _of_input, _of_kernel)
_interpret.defbilinear(_input_gradient, _of_output, _of_transposed_kernel)
_interpret.defbilinear(_kernel_gradient, _of_first_factor, _of_second_factor)
