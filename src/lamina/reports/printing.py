"""Printing: in colour on a terminal, plain text of ASCII letters elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["LINE", "line", "plain", "show", "table"]

_WIDE = 10_000
"""Columns where there is no terminal: nothing is ever cut or wrapped."""

LINE = Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)


def line(*parts: str | tuple[str, str]) -> Text:
    """A line of parts, each with a style if it is a pair."""
    return Text.assemble(*parts)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table; the columns in `numbers` stand to the right."""
    made = Table(box=LINE, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        right = name in numbers
        made.add_column(name, justify="right" if right else "left", overflow="fold")
    return made


def plain(page: Sequence[RenderableType]) -> str:
    """A page as plain text."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=_WIDE, color_system=None, force_terminal=False, force_jupyter=False
    )
    for part in page:
        console.print(part, soft_wrap=isinstance(part, Text), highlight=False)
    return "\n".join(text.rstrip() for text in stream.getvalue().splitlines())


def show(page: Sequence[RenderableType]) -> None:
    """Print a page."""
    console = Console(highlight=False)
    if not console.is_terminal and not console.is_jupyter:
        print(plain(page))
        return
    for part in page:
        console.print(part, soft_wrap=isinstance(part, Text))
