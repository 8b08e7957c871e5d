"""Kernels of integers in the form in which Keras stores them.

Lamina has the integers of a kernel as a matrix ``[channels, inputs]``; Keras has those of 8 bits in
the shape of the kernel, and those of 4 bits as a matrix with pairs of neighbours in a byte.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.building.quantization import policy_name, quantization_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import FileFormatError, explain
from lamina.ops.quantization import packed, unpacked
from lamina.quantizers import pack_int4, unpack_int4
from lamina.saving.keras.arrays import StoredArray, converted

__all__ = ["check_blocks", "integer_slots", "policy_of", "read_integers", "written_integers"]

Convert = Callable[[np.ndarray], np.ndarray]


class _Part(NamedTuple):
    """How Keras stores an array of a kernel: its shape, and the conversions from it and to it.

    The shape is None if the file may have further axes of size 1.
    """

    shape: tuple[int, ...] | None
    read: Convert
    write: Convert


def policy_of(layer: Tracked) -> str | None:
    """Return the name of the dtype policy that Keras has for a quantized layer; None for floats."""
    config = quantization_of(layer)
    if config is None:
        return None
    return f"{policy_name(config)}_from_{layer._lamina.dtype or 'float32'}"


def integer_slots(layer: Any, own: Sequence[Any]) -> list[Any] | None:
    """Return the variables of a quantized layer in Keras's order; None for another layer.

    With blocks, Keras also stores the number of the block of each input, which is an array here.

    Args:
        layer: the layer.
        own: its variables.
    """
    config = quantization_of(layer)
    if config is None:
        return None
    kernels = [name for name in layer._quantized_axes() if hasattr(layer, name)]
    groups = [_group(layer, name) for name in kernels]
    integers = {id(one) for group in groups for one in group}
    others = [one for one in own if id(one) not in integers]
    block: Any = getattr(config, "block_size", None)
    ordered: list[Any] = []
    for number, group in enumerate(groups):
        ordered += [group[0], *(others if number == 0 else []), *group[1:]]
        if number == 0 and block not in (None, -1):
            inputs = np.arange(group[0].shape[-1])
            ordered.append((inputs // block).astype("float32"))
    return ordered


def _group(layer: Any, name: str) -> list[Variable]:
    parts = (getattr(layer, f"{name}{part}", None) for part in ("", "_scale", "_zero"))
    return [one for one in parts if isinstance(one, Variable)]


def check_blocks(layer: Any, blocks: np.ndarray, array: StoredArray) -> None:
    """Check that a file numbers the blocks of inputs as :func:`integer_slots` does.

    Args:
        layer: the layer.
        blocks: the array of :func:`integer_slots`.
        array: that of the file.

    Raises:
        FileFormatError: it does not.
    """
    if quantization_of(layer) is None:
        return
    if array.shape != blocks.shape or not np.array_equal(array.read(), blocks):
        raise FileFormatError(
            explain(
                f"The file has blocks of inputs in another order for {type(layer).__name__}.",
                where=f"made at {layer._lamina.made_at}",
                expected="blocks of neighbours, as quantize('int4') makes them",
                received=f"others, of shape {array.shape}",
                remedy="Quantize the model in Keras with Int4QuantizationConfig.",
            )
        )


def read_integers(layer: Any, variable: Variable, array: StoredArray) -> StoredArray:
    """Return an array of a file in the form of its variable; as it is if its shape does not fit.

    Args:
        layer: the layer that holds the variable.
        variable: the variable.
        array: the array of the file.

    Raises:
        FileFormatError: Keras groups the integers of the layer otherwise.
    """
    part = _parts(layer).get(id(variable))
    if part is None or array.size != _size(part, variable):
        return array
    if part.shape is not None and part.shape != array.shape:
        return array
    integers = np.issubdtype(variable.weight_dtype, np.integer)
    are_floats = variable is getattr(layer, "reverse_embeddings_zero", None)
    if integers and array.dtype.kind == "f" and not are_floats:
        return array
    return converted(variable.shape, variable.weight_dtype, lambda: part.read(array.read()))


def _size(part: _Part, variable: Variable) -> int:
    return math.prod(variable.shape if part.shape is None else part.shape)


def written_integers(layer: Any) -> dict[int, np.ndarray]:
    """Return the arrays that Keras stores for the kernels of a layer, by variable's identity.

    The low-rank updates are added, and the sums are quantized anew.

    Args:
        layer: the layer, built.

    Raises:
        FileFormatError: Keras groups the integers of the layer otherwise.
    """
    if quantization_of(layer) is None:
        return {}
    changed = layer.lora is not None and layer.lora.built
    anew: dict[str, np.ndarray] = layer._integers() if changed else {}
    parts, found = _parts(layer), dict[int, np.ndarray]()
    for kernel in layer._quantized_axes():
        for end in ("", "_scale", "_zero"):
            variable = getattr(layer, f"{kernel}{end}", None)
            if isinstance(variable, Variable):
                value = anew.get(f"{kernel}{end}")
                value = np.asarray(variable.stored() if value is None else value)
                found[id(variable)] = parts[id(variable)].write(value)
    return found


def _parts(layer: Any) -> dict[int, _Part]:
    config, found = quantization_of(layer), dict[int, _Part]()
    if config is None:
        return found
    for name, axes in layer._quantized_axes().items():
        variables = _group(layer, name)
        if not variables or name not in layer._shapes:
            continue
        shape = tuple(layer._shapes[name])
        forms = [_kernel(layer, name, shape, axes, config.mode == "int4")]
        grouped = variables[1].ndim == 2
        form = _grouped(name, variables[1]) if grouped else _scales(layer, name, shape, axes)
        forms += [form, form._replace(write=_floats(form.write, name))]
        found |= {id(one): part for one, part in zip(variables, forms, strict=False)}
    return found


def _floats(write: Convert, name: str) -> Convert:
    """Zero points of the reverse projection are floats in Keras."""
    if name != "reverse_embeddings":
        return write
    return lambda array: write(array).astype("float32")


def _kernel(
    layer: Any, name: str, shape: tuple[int, ...], axes: tuple[int, ...], is_packed: bool
) -> _Part:
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    channels = math.prod(shape[axis] for axis in axes)
    inputs = math.prod(shape[axis] for axis in others)
    if not is_packed:
        order = (*axes, *others)
        back = [order.index(axis) for axis in range(len(shape))]
        front = [shape[axis] for axis in order]

        def in_rows(array: np.ndarray) -> np.ndarray:
            return array.transpose(order).reshape(channels, inputs)

        def in_shape(array: np.ndarray) -> np.ndarray:
            return array.reshape(front).transpose(back)

        return _Part(shape, in_rows, in_shape)
    if axes == (0,) and name == "embeddings":
        stored, axis, length, is_transposed = (channels, -(-inputs // 2)), 1, inputs, False
    elif name == "reverse_embeddings":
        stored, axis, length, is_transposed = (-(-inputs // 2), channels), 0, inputs, True
    else:
        if axes != tuple(range(len(others), len(shape))):
            raise _other_groups(layer)
        stored, axis, length, is_transposed = (inputs, -(-channels // 2)), 1, channels, True

    def turned(matrix: np.ndarray) -> np.ndarray:
        return matrix.T if is_transposed else matrix

    def read(array: np.ndarray) -> np.ndarray:
        return packed(turned(np.asarray(unpack_int4(array, length, axis))))

    def write(array: np.ndarray) -> np.ndarray:
        return np.asarray(pack_int4(turned(np.asarray(unpacked(array, channels))), axis)[0])

    return _Part(stored, read, write)


def _grouped(name: str, scale: Variable) -> _Part:
    """Scales and zero points of blocks; only tables have the channels first."""
    if name == "embeddings":
        return _Part(scale.shape, _same, _same)
    return _Part(scale.shape[::-1], _transposed, _transposed)


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _transposed(array: np.ndarray) -> np.ndarray:
    return array.T


def _scales(layer: Any, name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> _Part:
    """One scale for each channel: of 8 bits, those of an einsum have the axes of the output."""
    channels = math.prod(shape[axis] for axis in axes)
    outputs = _output_axes(layer, len(shape), axes)
    if outputs is None or quantization_of(layer).mode == "int4":
        return _Part((channels,), _same, _same)
    order = [axis for axis in outputs if axis is not None]
    back = [order.index(axis) for axis in axes]
    sizes = [shape[axis] for axis in order]
    full = [1 if axis is None else shape[axis] for axis in outputs]

    def read(array: np.ndarray) -> np.ndarray:
        return array.reshape(sizes).transpose(back).reshape(-1)

    def write(array: np.ndarray) -> np.ndarray:
        here = array.reshape([shape[axis] for axis in axes])
        return here.transpose([axes.index(axis) for axis in order]).reshape(full)

    return _Part(None, read, write)


def _output_axes(layer: Any, rank: int, axes: tuple[int, ...]) -> list[int | None] | None:
    """The kernel's axis of each axis of the output; None for a layer that is no einsum in Keras."""
    built = layer._lamina.built
    given = 0 if built is None or not built.inputs.args else len(built.inputs.args[0].shape)
    if hasattr(layer, "equation"):
        inputs, kernel, outputs = re.split(",|->", layer.equation)
        dots = max(given - len(inputs.replace(".", "")), 0)
        letters = outputs.replace("...", "." * dots)
        return [kernel.index(one) if one in kernel else None for one in letters]
    if rank == len(axes) + 1 and not hasattr(layer, "axes"):
        return None
    return [*[None] * max(given - (rank - len(axes)), 0), *axes]


def _other_groups(layer: Any) -> FileFormatError:
    return FileFormatError(
        explain(
            f"Keras groups the 4-bit integers of {layer.equation!r} by other axes than the inputs.",
            where=f"made at {layer._lamina.made_at}",
            expected="a kernel whose axes of outputs are the last ones, as in 'abc,cd->abd'",
            received=f"EinsumDense({layer.equation!r})",
            remedy="Quantize the layer to int8, or save it in Lamina's format.",
        )
    )
