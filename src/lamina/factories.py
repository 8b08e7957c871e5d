"""Models and inputs as they are named on a command line: ``package.module:Factory``, specs."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

from lamina import files
from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain
from lamina.reports import Explanation, examine

__all__ = ["explanation", "load_factory", "parse_input", "parse_inputs"]

_INPUT = re.compile(r"(?:(?P<name>\w+)\s*=\s*)?(?P<dtype>[A-Za-z]\w*)\s*\[(?P<shape>.*)\]")


def load_factory(name: str) -> Any:
    """Import a module, and call what it holds.

    The working directory comes first in the search for modules. Nothing else is imported than the
    module that is named, with what it imports.

    Args:
        name: ``package.module:Factory``; a class, a function without required arguments, or a
            model. A name after the colon may have dots.

    Returns:
        What the call returned; or the object itself if it is a layer.

    Raises:
        InputError: the name is not of this form, or there is no such module or attribute.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise InputError(
            explain(
                "The name of the model has no module or no attribute.",
                expected="package.module:Factory",
                received=repr(name),
                remedy="Name the module, a colon, and a class or function of it.",
            )
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            explain(
                f"There is no module {error.name!r}.",
                where=f"searched in {os.getcwd()} and the other directories of sys.path",
                received=repr(name),
                remedy="Run the command in the directory that holds the module or its package.",
            )
        ) from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            public = ", ".join(one for one in dir(found) if not one.startswith("_"))
            raise InputError(
                explain(
                    f"{module_name} has no {attribute!r}.",
                    expected=f"one of {public}"[:400],
                    received=repr(name),
                    remedy="Name a class or function of the module that makes the model.",
                )
            ) from error
    if not isinstance(found, type) and hasattr(found, "_lamina"):
        return found
    if not callable(found):
        raise InputError(
            explain(
                f"{name} is not a class or function.",
                expected="a class or function that makes the model, or a model",
                received=f"a {type(found).__name__}",
                remedy="Name a function that returns the model.",
            )
        )
    return found()


def parse_input(text: str) -> tuple[str | None, Spec]:
    """Read the spec of an input.

    Args:
        text: ``dtype[sizes]``, or ``name=dtype[sizes]`` for the input of a name. A size is a
            number, ``?`` if it is unknown, or a name for an unknown size that occurs several times.

    Returns:
        The name, None without one, and the spec.

    Raises:
        InputError: it is not of this form.

    >>> parse_input("x=int32[64,?]")
    ('x', Spec((64, None), int32))
    >>> parse_input("float32[batch, 3]")
    (None, Spec(('batch', 3), float32))
    """
    match = _INPUT.fullmatch(text.strip())
    parts = [] if match is None else [one.strip() for one in match["shape"].split(",")]
    parts = [] if parts == [""] else parts
    if match is None or not all(re.fullmatch(r"\?|\d+|[A-Za-z_]\w*", one) for one in parts):
        raise InputError(
            explain(
                "The spec of an input cannot be read.",
                expected="dtype[sizes] or name=dtype[sizes], such as x=float32[?,28,28]",
                received=repr(text),
                remedy="Write a number, ? or a name for each size, separated by commas.",
            )
        )
    names = {"None": None, "?": None}
    shape = tuple(int(one) if one.isdigit() else names.get(one, one) for one in parts)
    return match["name"], Spec(shape, match["dtype"])


def parse_inputs(texts: Iterable[str]) -> tuple[list[Spec], dict[str, Spec]]:
    """Parse the inputs of a model: those by position, and those by name.

    Args:
        texts: each as :func:`parse_input` takes it.

    Raises:
        InputError: a text is not of that form.

    >>> parse_inputs(["float32[?,3]", "mask=bool[?]"])
    ([Spec((None, 3), float32)], {'mask': Spec((None,), bool)})
    """
    inputs = [parse_input(text) for text in texts]
    return (
        [spec for name, spec in inputs if name is None],
        {name: spec for name, spec in inputs if name is not None},
    )


def explanation(
    model: str, inputs: Iterable[str] = (), path: str | None = None, why: str | None = None
) -> Explanation:
    """Explain a model by its name, or by a file, of which no code is run.

    Args:
        model: ``package.module:Factory``; or the path of a file of a model, or of a plan in JSON.
        inputs: the inputs that the model is planned for, each as :func:`parse_input` takes it.
        path: a layer or weight that alone is shown; None (default) for all.
        why: the name or path of weights whose shapes are explained; None (default) for none.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is of no known format.
        InputError: the name or an input is not of the right form.
        BuildError: the model cannot be built for the inputs.
        UnknownNameError: there is no such path or weight.
    """
    if os.path.exists(model) or ":" not in model:
        plan = files.plan(model)
    else:
        specs, named = parse_inputs(inputs)
        plan = examine(load_factory(model), *specs, **named)
    return Explanation(plan, path, why)
