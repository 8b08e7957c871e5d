"""The variables that weight decay leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Excluded"]


class Excluded:
    """The paths of the variables that weight decay leaves out.

    >>> excluded = Excluded()
    >>> excluded.set([], ["bias"])
    >>> "dense.bias" in excluded, "dense.kernel" in excluded
    (True, False)
    """

    def __init__(self) -> None:
        self._variables: list[Any] = []
        self._pattern: re.Pattern[str] | None = None
        self._paths: dict[str, Any] = {}

    def set(self, variables: Sequence[Any], names: Sequence[str]) -> None:
        """Choose the variables.

        Args:
            variables: variables.
            names: regular expressions that the names of variables contain.
        """
        self._variables = list(variables)
        self._pattern = re.compile("|".join(names)) if names else None

    def attach(self, variables: Mapping[str, Any]) -> None:
        """Set the variables that are trained, by path."""
        self._paths = dict(variables)

    def __contains__(self, path: str) -> bool:
        variable = self._paths.get(path)
        name = getattr(variable, "name", path.rpartition(".")[2])
        if self._pattern is not None and self._pattern.search(name):
            return True
        return any(one is variable for one in self._variables)
