"""Paths with the names of logs in braces."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.errors import InputError, explain

__all__ = ["field_names", "format_path", "unknown_name"]


class _Formatter(string.Formatter):
    """A formatter for which the text in braces is a name as a whole, such as ``top[5]``."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs[field_name], field_name


def field_names(path: str) -> list[str]:
    """Return the names in the braces of a path.

    Raises:
        InputError: a brace is not closed, or a format is invalid.

    >>> field_names("{epoch:02d}-{val_loss:.2f}")
    ['epoch', 'val_loss']
    """
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(path) if name is not None]
        sample = {name: 1 if name in ("epoch", "batch") else 0.5 for name in names}
        _Formatter().vformat(path, (), sample)
    except KeyError as error:
        raise InputError(_invalid(path, f"{error} is no name of a log")) from None
    except (ValueError, TypeError) as error:
        raise InputError(_invalid(path, str(error))) from None
    return names


def format_path(path: str, values: Mapping[str, Any]) -> str:
    """Replace the names in the braces of a path by their values.

    Raises:
        InputError: there is no value of a name, or a format does not fit the value.

    >>> format_path("{epoch:02d}-{top[5]:.1f}", {"epoch": 3, "top[5]": 0.5})
    '03-0.5'
    """
    try:
        return _Formatter().vformat(path, (), values)
    except KeyError as error:
        raise InputError(unknown_name(path, str(error.args[0]), list(values))) from None
    except (ValueError, TypeError) as error:
        raise InputError(_invalid(path, str(error))) from None


def unknown_name(path: str, name: str, known: Sequence[str]) -> str:
    """Compose the message for a name in a path that is no log."""
    return explain(
        f"The path of ModelCheckpoint contains an unknown name: {name!r}.",
        expected=f"names among {', '.join(known)}",
        received=repr(path),
        remedy="Use one of these, such as {epoch:02d}.",
    )


def _invalid(path: str, reason: str) -> str:
    return explain(
        f"The path of ModelCheckpoint is invalid: {reason}.",
        expected="names of logs in braces, with the formats of str.format",
        received=repr(path),
        remedy="Correct the format, such as {epoch:02d} or {val_loss:.2f}.",
    )
