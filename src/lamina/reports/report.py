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

    _shown = False

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
        display = _notebook()
        if display is None:
            show(self._page())
            return
        display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)

    def shown(self) -> Self:
        """Show the report, and return it. A notebook does not show it again as a result."""
        self.show()
        object.__setattr__(self, "_shown", True)
        return self

    def _ipython_display_(self) -> None:
        if not self._shown:
            self.show()
        object.__setattr__(self, "_shown", False)


def _notebook() -> Any:
    """Return the function of a running notebook that shows results; None outside of one."""
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return sys.modules["IPython.display"].display
