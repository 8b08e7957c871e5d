"""Walks over the equations of programs, also those of the programs inside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from jax.extend.core import Literal

__all__ = ["CONVOLUTIONS", "Inner", "convolution_parts", "inner_programs", "is_variable"]

CONVOLUTIONS = frozenset({"convolve", "input_gradient", "kernel_gradient"})
"""The operations of :mod:`lamina.ops.convolution`."""


class Inner(NamedTuple):
    """A program inside an equation.

    Attributes:
        program: the program, a ``Jaxpr``.
        inputs: for each input of the program, the position of the equation's input that it takes;
            None for no input of the equation.
        outputs: for each output of the program, the position of the equation's output that it
            gives; None for no output.
        sliced: the number of last inputs that are slices along the first axis of the equation's.
        stacked: the number of last outputs that are stacked along the first axis.
        repeats: how often the program runs, as far as that is known.
        carried: the number of first outputs that are inputs of the next run.
        fixed: the number of first inputs that are the same in all runs; those carried follow.
    """

    program: Any
    inputs: list[int | None]
    outputs: list[int | None]
    sliced: int = 0
    stacked: int = 0
    repeats: int = 1
    carried: int = 0
    fixed: int = 0


def is_variable(atom: Any) -> bool:
    """Return whether an input of an equation is a variable of the program, not a literal."""
    return not isinstance(atom, Literal)


def inner_programs(equation: Any) -> Iterator[Inner]:
    """Yield the programs inside an equation, such as the body of a loop."""
    params, name = equation.params, equation.primitive.name
    inputs, outputs = len(equation.invars), len(equation.outvars)
    if name == "scan":
        first = params["num_consts"] + params["num_carry"]
        yield Inner(
            params["jaxpr"].jaxpr,
            [*range(inputs)],
            [*range(outputs)],
            inputs - first,
            outputs - params["num_carry"],
            params["length"],
            params["num_carry"],
            params["num_consts"],
        )
    elif name == "while":
        body, tests = params["body_nconsts"], params["cond_nconsts"]
        carry = [*range(tests + body, inputs)]
        yield Inner(params["cond_jaxpr"].jaxpr, [*range(tests), *carry], [None])
        yield Inner(
            params["body_jaxpr"].jaxpr,
            [*range(tests, tests + body), *carry],
            [*range(outputs)],
            carried=outputs,
            fixed=body,
        )
    elif name == "cond":
        for branch in params["branches"]:
            yield Inner(branch.jaxpr, [*range(1, inputs)], [*range(outputs)])
    else:
        for value in _values(params):
            program = getattr(value, "jaxpr", value)
            if hasattr(program, "eqns"):
                same = len(program.invars) == inputs
                ends = len(program.outvars) == outputs
                yield Inner(
                    program,
                    [*range(inputs)] if same else [None] * len(program.invars),
                    [*range(outputs)] if ends else [None] * len(program.outvars),
                )
                return  # others, such as rules of derivatives, are not run here


def _values(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        if isinstance(value, tuple | list):
            yield from cast("list[Any]", value)
        else:
            yield value


def convolution_parts(equation: Any) -> tuple[Any, Any, Any]:
    """Return x, the kernel and y of one of the operations in `CONVOLUTIONS`."""
    (left, right), (made,) = equation.invars, equation.outvars
    return {
        "convolve": (left, right, made),
        "input_gradient": (made, right, left),
        "kernel_gradient": (left, made, right),
    }[equation.primitive.name]
