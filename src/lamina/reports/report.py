"""The base of reports: objects with a text, which a terminal or a notebook shows."""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from typing import Any, Self

from rich.console import RenderableType

from lamina.reports.printing import plain, show

__all__ = ["Report"]


class Report:
    """A report: ``str(report)`` is its text; a terminal or a notebook shows it by itself."""

    _shown_in: Any = None  # the number of the cell that has shown the report

    def _page(self) -> Sequence[RenderableType]:
        raise NotImplementedError

    def _title(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return plain(self._page())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._title()}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def show(self) -> None:
        """Print the report, in colour on a terminal; show it as HTML in a notebook."""
        if _notebook() is None:
            show(self._page())
            return
        display = sys.modules["IPython.display"].display
        display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)

    def shown(self) -> Self:
        """Show the report, and return it. As the result of the same cell it is not shown again."""
        self.show()
        object.__setattr__(self, "_shown_in", _cell())
        return self

    def _ipython_display_(self) -> None:
        if self._shown_in is None or self._shown_in != _cell():
            self.show()
        object.__setattr__(self, "_shown_in", None)


def _notebook() -> Any:
    """Return the shell of a running notebook; None outside of one."""
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel is not None else None
    return shell if shell is not None and hasattr(shell, "kernel") else None


def _cell() -> int | None:
    """Return the number of the running cell of IPython; None outside of it."""
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel is not None else None
    return None if shell is None else shell.execution_count
