"""Models and inputs as they are named on a command line: ``package.module:Factory``, specs."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from lamina.core.specs.spec import Spec
from lamina.errors import InputError, explain

__all__ = ["load_factory", "parse_input"]

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
