"""Printing reports: in colour on a terminal, as plain ASCII text elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from lamina.errors import shown

__all__ = ["LINE", "line", "plain", "show", "table"]

_WIDE = 10_000
"""The width without a terminal; lines are never wrapped."""

_LINE = 4000
"""The largest number of characters of a part of a line."""

LINE = Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)


def line(*parts: str | tuple[str, str]) -> Text:
    """Make a line of texts; a pair is a text and its style. Names in it may come from a file."""
    cleaned = (
        shown(one, _LINE) if isinstance(one, str) else (shown(one[0], _LINE), one[1])
        for one in parts
    )
    return Text.assemble(*cleaned)


class _Table(Table):
    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(shown(one) if isinstance(one, str) else one for one in cells), **options)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """Make an empty table; the columns in `numbers` are aligned right."""
    made = _Table(box=LINE, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        right = name in numbers
        made.add_column(name, justify="right" if right else "left", overflow="fold")
    return made


def plain(page: Sequence[RenderableType], width: int | None = None) -> str:
    """Format a report as plain text, in lines of at most `width` characters."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width or _WIDE,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        emoji=False,
    )
    for part in page:
        wraps = width is None and isinstance(part, Text)
        console.print(part, soft_wrap=wraps, highlight=False)
    return "\n".join(text.rstrip() for text in stream.getvalue().splitlines())


def show(page: Sequence[RenderableType], width: int | None = None) -> None:
    """Print a report, in lines of at most `width` characters."""
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    if not console.is_terminal and not console.is_jupyter:
        print(plain(page, width))
        return
    for part in page:
        console.print(part, soft_wrap=isinstance(part, Text))
