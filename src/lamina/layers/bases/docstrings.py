"""Docstrings of layers that differ in little from others of their family."""

from __future__ import annotations

import inspect
from typing import TypeVar

__all__ = ["with_family_docs"]

Kind = TypeVar("Kind", bound=type)


def with_family_docs(kind: Kind) -> Kind:
    """A class decorator: inserts the docstring of the base class, without its first paragraph and
    its examples, before the examples of the class's own.

    So a family states its equation, arguments and errors once, and ``help`` shows them for each
    member, with the member's own summary, shapes and example. Docstrings that Python was asked to
    leave out stay out.

    >>> class Family:
    ...     '''The base of the family.
    ...
    ...     Args:
    ...         size: positive integer.
    ...     '''
    >>> @with_family_docs
    ... class Member(Family):
    ...     '''One of the family.'''
    >>> print(Member.__doc__)
    One of the family.
    <BLANKLINE>
    Args:
        size: positive integer.
    """
    base = kind.__base__
    own, family = inspect.cleandoc(kind.__doc__ or ""), inspect.cleandoc(base.__doc__ or "")
    if own and family:
        text, prompt, examples = own.partition(">>> ")
        shared = family.partition("\n\n")[2].partition(">>> ")[0]
        parts = (text.strip(), shared.strip(), prompt + examples)
        kind.__doc__ = "\n\n".join(filter(None, parts))
    return kind
