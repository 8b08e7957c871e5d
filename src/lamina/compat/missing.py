"""Errors for names of other libraries that are not supported."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Mapping

from lamina.errors import LaminaError, UnknownNameError, closest, explain

__all__ = ["MissingNameError", "UnimportableNameError", "instead_of", "missing_name"]


class MissingNameError(UnknownNameError, AttributeError):
    """A name of another library that is not supported."""


class UnimportableNameError(LaminaError, ImportError):
    """A name of another library that is not supported, in ``from module import name``."""


def missing_name(
    library: str,
    namespace: str,
    name: str,
    known: Iterable[str],
    replacements: Mapping[str, str],
    otherwise: str,
) -> Exception:
    """The error for `namespace.name`, with a replacement or the nearest name.

    It is to be raised by the `__getattr__` of a module. ``from module import name`` hides an
    `AttributeError` behind its own message, so that it gets an `ImportError`.

    Args:
        library: the module of Lamina, such as ``"lamina.compat.tf"``.
        namespace: the namespace, such as ``"tf.nn"``.
        name: the missing name.
        known: the supported names of the namespace.
        replacements: what serves instead, by the full names, or by the namespaces around them.
        otherwise: the remedy if there is neither a replacement nor a name that is close.

    >>> print(missing_name("lamina.compat.tf", "tf", "data", [], {"tf.data": "Pass arrays."}, ""))
    lamina.compat.tf has no tf.data.
      received: tf.data
      remedy:   Pass arrays.
    """
    full = f"{namespace}.{name}"
    if name.startswith("_"):
        return AttributeError(f"{namespace} has no attribute {name!r}")
    remedy = replacements.get(full)
    if remedy is None:
        close = closest(name, known)
        around = instead_of(namespace, replacements) or otherwise
        remedy = around if close is None else f"Did you mean {namespace}.{close}?"
    text = explain(f"{library} has no {full}.", received=full, remedy=remedy)
    return UnimportableNameError(text) if _is_import() else MissingNameError(text)


def instead_of(name: str, replacements: Mapping[str, str]) -> str | None:
    """What serves instead of a name, or of the nearest namespace around it that has an entry.

    Args:
        name: the full name.
        replacements: what serves instead, by full names.

    >>> instead_of("tf.data.Dataset", {"tf.data": "Pass arrays."})
    'Pass arrays.'
    """
    while name not in replacements and "." in name:
        name = name.rpartition(".")[0]
    return replacements.get(name)


def _is_import() -> bool:
    """Whether the `__getattr__` that reports the name was called by ``from module import name``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name != "__getattr__":
        frame = frame.f_back
    caller = frame.f_back
    if caller is None or caller.f_lasti < 0:
        return False
    return dis.opname[caller.f_code.co_code[caller.f_lasti]] == "IMPORT_FROM"
