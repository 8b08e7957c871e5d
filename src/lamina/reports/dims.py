"""The dims of a program: which axes of its arrays have one size because it is the same dim.

Each operation says which axes of its inputs and outputs are the same dim: an addition all of them,
a product of matrices those that it contracts and those that it keeps. Axes that operations connect
are one dim, also over several layers. An axis of size 1 is no dim: it may be broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lamina.reports.programs import (
    CONVOLUTIONS,
    Inner,
    convolution_parts,
    inner_programs,
    is_variable,
)

__all__ = ["Dims"]

Axes = list[int]


class Dims:
    """The dims of a program.

    Args:
        program: the program, a ``Jaxpr``.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> program = jax.make_jaxpr(lambda x, w: (x, w, x @ w))(jnp.ones((4, 3)), jnp.ones((3, 4)))
    >>> dims = Dims(program.jaxpr)
    >>> [dims.of(variable) for variable in program.jaxpr.outvars]
    [(0, 1), (1, 2), (0, 2)]
    """

    def __init__(self, program: Any) -> None:
        self._parents: list[int] = []
        self._sizes: list[int] = []
        self._factors: dict[int, Axes] = {}  # of an axis that a reshape splits, or made of several
        self._axes: dict[Any, Axes] = {}
        self._numbers: dict[int, int] = {}
        self._add(program, self._axes)
        while self._join_wholes():
            pass

    def of(self, variable: Any) -> tuple[int, ...]:
        """Return the number of the dim of each axis of a variable; -1 for an axis of size 1."""
        axes = self._of(variable, self._axes)
        sizes = variable.aval.shape
        return tuple(
            -1 if size == 1 else self._numbers.setdefault(self._find(axis), len(self._numbers))
            for axis, size in zip(axes, sizes, strict=True)
        )

    def _of(self, atom: Any, scope: dict[Any, Axes]) -> Axes:
        if not is_variable(atom):
            return self._new(atom)
        if atom not in scope:
            scope[atom] = self._new(atom)
        return scope[atom]

    def _new(self, atom: Any) -> Axes:
        first = len(self._parents)
        sizes = getattr(atom.aval, "shape", ())
        made = [*range(first, first + len(sizes))]
        self._parents += made
        self._sizes += sizes
        return made

    def _find(self, axis: int) -> int:
        parents = self._parents
        while parents[axis] != axis:
            parents[axis] = axis = parents[parents[axis]]
        return axis

    def _join(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        if one == other:
            return
        self._parents[other] = one
        if other in self._factors:
            self._split(one, self._factors.pop(other))

    def _split(self, axis: int, parts: Axes) -> None:
        """Record that an axis consists of others, row-major; equal parts are joined."""
        known = self._factors.setdefault(self._find(axis), parts)
        if [self._sizes[part] for part in known] == [self._sizes[part] for part in parts]:
            for one, other in zip(known, parts, strict=True):
                self._join(one, other)

    def _join_wholes(self) -> bool:
        """Join the axes that consist of the same dims; return whether there were any."""
        found: dict[tuple[int, ...], int] = {}
        joined = False
        for axis, parts in [*self._factors.items()]:
            other = found.setdefault(tuple(map(self._find, parts)), axis)
            if self._find(other) != self._find(axis):
                self._join(other, axis)
                joined = True
        return joined

    def _add(self, program: Any, scope: dict[Any, Axes]) -> None:
        for equation in program.eqns:
            inputs = [self._of(atom, scope) for atom in equation.invars]
            outputs = [self._of(atom, scope) for atom in equation.outvars]
            within = False
            for inner in inner_programs(equation):
                within = True
                self._add_inner(inner, inputs, outputs)
            if equation.primitive.name == "reshape":
                self._reshape(inputs[0], outputs[0])
            elif not within:
                rule = _RULES.get(equation.primitive.name, _same_shapes)
                for one, other in rule(equation):
                    self._join(_axis(inputs, outputs, one), _axis(inputs, outputs, other))

    def _reshape(self, inputs: Axes, outputs: Axes) -> None:
        """Join the axes that a reshape keeps, and record those that it splits or merges."""
        before = [axis for axis in inputs if self._sizes[axis] != 1]
        after = [axis for axis in outputs if self._sizes[axis] != 1]
        while before and after:
            left, right = [before.pop(0)], [after.pop(0)]
            while (sizes := (self._size(left), self._size(right)))[0] != sizes[1]:
                short, rest = (left, before) if sizes[0] < sizes[1] else (right, after)
                if not rest:  # an axis of size 0
                    return
                short.append(rest.pop(0))
            if len(left) == len(right) == 1:
                self._join(left[0], right[0])
            elif len(left) == 1:
                self._split(left[0], right)
            elif len(right) == 1:
                self._split(right[0], left)

    def _size(self, axes: Axes) -> int:
        return math.prod(self._sizes[axis] for axis in axes)

    def _add_inner(self, inner: Inner, inputs: list[Axes], outputs: list[Axes]) -> None:
        own: dict[Any, Axes] = {}
        steps: Axes = []  # axes of the number of steps of a loop
        given = _within(inner.inputs, inputs, inner.sliced, steps)
        for variable, axes in zip(inner.program.invars, given, strict=True):
            if axes is not None and len(axes) == len(variable.aval.shape):
                own[variable] = axes
        self._add(inner.program, own)
        taken = _within(inner.outputs, outputs, inner.stacked, steps)
        for atom, axes in zip(inner.program.outvars, taken, strict=True):
            found = self._of(atom, own)
            if axes is not None and len(axes) == len(found):
                for one, other in zip(found, axes, strict=True):
                    self._join(one, other)
        for axis in steps[1:]:
            self._join(steps[0], axis)
        for place in range(inner.carried):
            before = self._of(inner.program.invars[inner.fixed + place], own)
            after = self._of(inner.program.outvars[place], own)
            for one, other in zip(before, after, strict=True):
                self._join(one, other)


def _within(
    places: list[int | None], arrays: list[Axes], sliced: int, steps: Axes
) -> list[Axes | None]:
    """Return the axes of the arrays at some places, the last ones without their first axis.

    The first axes that are left out are added to `steps`.
    """
    found = [None if at is None else arrays[at] for at in places]
    for place in range(len(found) - sliced, len(found)):
        axes = found[place]
        if axes:
            steps.append(axes[0])
            found[place] = axes[1:]
    return found


Place = tuple[int, int]
"""An axis of an equation: the number of an input, or -1 for the output, and the axis."""


def _axis(inputs: list[Axes], outputs: list[Axes], place: Place) -> int:
    which, axis = place
    return outputs[-1 - which][axis] if which < 0 else inputs[which][axis]


def _shapes(equation: Any) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    inputs = [tuple(getattr(atom.aval, "shape", ())) for atom in equation.invars]
    return inputs, tuple(getattr(equation.outvars[0].aval, "shape", ()))


Rule = Callable[[Any], list[tuple[Place, Place]]]


def _same_shapes(equation: Any) -> list[tuple[Place, Place]]:
    """Axes of inputs and outputs of the same shape, or of the same rank and size."""
    inputs, _ = _shapes(equation)
    found: list[tuple[Place, Place]] = []
    for end, atom in enumerate(equation.outvars):
        output = tuple(getattr(atom.aval, "shape", ()))
        for which, shape in enumerate(inputs):
            if len(shape) == len(output):
                found += [
                    ((which, axis), (-1 - end, axis))
                    for axis, size in enumerate(shape)
                    if size == output[axis]
                ]
    return found


def _pairs(which: int, kept: Sequence[int], output: Sequence[int]) -> list[tuple[Place, Place]]:
    return [((which, one), (-1, other)) for one, other in zip(kept, output, strict=True)]


def _broadcast(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    places = equation.params["broadcast_dimensions"]
    return [
        ((0, axis), (-1, at)) for axis, at in enumerate(places) if inputs[0][axis] == output[at]
    ]


def _transpose(equation: Any) -> list[tuple[Place, Place]]:
    permutation = equation.params["permutation"]
    return _pairs(0, permutation, range(len(permutation)))


def _reduce(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    axes = equation.params.get("axes", ())
    kept = [axis for axis in range(len(inputs[0])) if axis not in axes]
    return _pairs(0, kept, range(len(output))) if len(kept) == len(output) else []


def _squeeze(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    gone = equation.params["dimensions"]
    kept = [axis for axis in range(len(inputs[0])) if axis not in gone]
    return _pairs(0, kept, range(len(output)))


def _concatenate(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    skipped = equation.params["dimension"]
    return [
        ((which, axis), (-1, axis))
        for which in range(len(inputs))
        for axis in range(len(output))
        if axis != skipped
    ]


def _stack(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    kept = [axis for axis in range(len(output)) if axis != equation.params["axis"]]
    return [
        ((which, axis), (-1, at)) for which in range(len(inputs)) for axis, at in enumerate(kept)
    ]


def _unstack(equation: Any) -> list[tuple[Place, Place]]:
    inputs, _ = _shapes(equation)
    kept = [axis for axis in range(len(inputs[0])) if axis != equation.params["axis"]]
    return [
        ((0, axis), (-1 - end, at))
        for end in range(len(equation.outvars))
        for at, axis in enumerate(kept)
    ]


def _product(equation: Any) -> list[tuple[Place, Place]]:
    inputs, _ = _shapes(equation)
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    found: list[tuple[Place, Place]] = [
        ((0, one), (1, other)) for one, other in zip(left, right, strict=True)
    ]
    found += [((0, one), (1, other)) for one, other in zip(left_batch, right_batch, strict=True)]
    free = [axis for axis in range(len(inputs[0])) if axis not in (*left, *left_batch)]
    rest = [axis for axis in range(len(inputs[1])) if axis not in (*right, *right_batch)]
    kept = [*left_batch, *free]
    found += _pairs(0, kept, range(len(kept)))
    return found + _pairs(1, rest, range(len(kept), len(kept) + len(rest)))


def _convolution(equation: Any) -> list[tuple[Place, Place]]:
    inputs, output = _shapes(equation)
    numbers = equation.params["dimension_numbers"]
    array, kernel, result = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    found: list[tuple[Place, Place]] = []
    if equation.params["batch_group_count"] == 1:
        found += [((0, array[0]), (-1, result[0])), ((1, kernel[0]), (-1, result[1]))]
    if equation.params["feature_group_count"] == 1:
        found.append(((0, array[1]), (1, kernel[1])))
    return found + [
        ((0, one), (-1, other))
        for one, other in zip(array[2:], result[2:], strict=True)
        if inputs[0][one] == output[other]
    ]


def _bilinear(equation: Any) -> list[tuple[Place, Place]]:
    """The axes of x, ``[batch, space..., channels]``, a kernel and y of a convolution."""
    atoms = (*equation.invars, equation.outvars[0])
    x, kernel, y = (atoms.index(atom) for atom in convolution_parts(equation))
    geometry = equation.params["geometry"]
    rank = geometry.rank
    channel = 1 if geometry.channels_first else rank + 1
    first = 2 if geometry.channels_first else 1
    found = [((x, 0), (y, 0)), ((kernel, rank + 1), (y, channel))]
    if geometry.groups == 1:
        found.append(((x, channel), (kernel, rank)))
    pairs = zip(geometry.sizes, geometry.outputs, strict=True)
    found += [
        ((x, first + axis), (y, first + axis))
        for axis, (before, after) in enumerate(pairs)
        if before == after
    ]
    return [(_named(one), _named(other)) for one, other in found]


def _named(place: Place) -> Place:
    """An axis of an equation, where 2 stands for the output."""
    return (-1, place[1]) if place[0] == 2 else place


def _gather(equation: Any) -> list[tuple[Place, Place]]:
    """The axes of whole slices, and those of the indices."""
    inputs, output = _shapes(equation)
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    gone = (*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ()))
    kept = [axis for axis in range(len(inputs[0])) if axis not in gone]
    found: list[tuple[Place, Place]] = [
        ((0, axis), (-1, at))
        for axis, at in zip(kept, numbers.offset_dims, strict=True)
        if sizes[axis] == inputs[0][axis]
    ]
    batch = [axis for axis in range(len(output)) if axis not in numbers.offset_dims]
    rows = range(len(inputs[1]) - 1)
    return found + (_pairs(1, rows, batch) if len(batch) == len(rows) else [])


def _parts(equation: Any) -> list[tuple[Place, Place]]:
    skipped = equation.params["axis"]
    inputs, _ = _shapes(equation)
    return [
        ((0, axis), (-1 - end, axis))
        for end in range(len(equation.outvars))
        for axis in range(len(inputs[0]))
        if axis != skipped
    ]


def _first(equation: Any) -> list[tuple[Place, Place]]:
    """The axes of the array that is changed."""
    inputs, _ = _shapes(equation)
    axes = range(len(inputs[0]))
    return _pairs(0, axes, axes)


def _nothing(equation: Any) -> list[tuple[Place, Place]]:
    return []


_RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "dot_general": _product,
    "conv_general_dilated": _convolution,
    "gather": _gather,
    **dict.fromkeys(CONVOLUTIONS, _bilinear),
    "split": _parts,
    "iota": _nothing,
    **dict.fromkeys(["scatter", "scatter-add", "scatter_add", "scatter_mul"], _first),
    **dict.fromkeys(
        [
            *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"),
            *("argmax", "argmin", "reduce_xor", "reduce"),
        ],
        _reduce,
    ),
}
