"""The HTML page of a plan, and its form for notebooks."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import unicodedata
from collections.abc import Iterable
from importlib import resources

from lamina.core.building.plan import Plan, PlannedVariable
from lamina.reports.page.tables import page_data

__all__ = ["html_page", "notebook_html"]

_SCRIPTS = ("data.js", "rows.js", "details.js", "tree.js", "graph.js", "treemap.js", "page.js")
_HEIGHT = 640
"""The height of the page in a notebook, in pixels."""
_ROWS = 1000
_NOTEBOOK_ROWS = 100
_LETTERS = 200


def html_page(plan: Plan, *, title: str = "", other: Plan | None = None) -> str:
    """Return a page that shows a plan in a browser: its tree, calls, sizes and dims.

    The page is one file. It loads nothing, and its content security policy forbids it to.

    Args:
        plan: the plan, such as that of ``layer.plan(...)``. What it does not hold, as calls, dims
            or FLOPs, is left out.
        title: the title of the page; empty (default) for the class of the root.
        other: an earlier plan. If it is given, the page lists the weights that were added,
            removed and changed since. Default None.

    Returns:
        The text of the HTML file.

    >>> from lamina import layers
    >>> page = html_page(layers.Dense(4).plan((None, 3)))
    >>> page.startswith("<!doctype html>")
    True
    """
    title = title or next((one.layer for one in plan.layers if not one.path), "") or "Plan"
    return _assembled(page_data(plan, title, other), title, _table(plan, _ROWS))


def notebook_html(plan: Plan) -> str:
    """Return the page of a plan as HTML for the output of a cell of a notebook.

    Args:
        plan: the plan.

    Returns:
        A sandboxed frame with the page. Viewers that show no frames show a table of the weights.
    """
    page = html.escape(html_page(plan))
    frame = (
        f'<iframe class="lamina-page" sandbox="allow-scripts" title="{_shown(repr(plan))}" '
        f'style="width:100%;height:{_HEIGHT}px;border:1px solid #8884;border-radius:6px" '
        f'srcdoc="{page}"></iframe>'
    )
    hide = "<style>.lamina-page + .lamina-table { display: none }</style>"
    table = _table(plan, _NOTEBOOK_ROWS)
    return f'{hide}{frame}<div class="lamina-table">{table}</div>'


def _assembled(data: str, title: str, table: str) -> str:
    template, style, script, policy = _parts()
    pieces = {
        "policy": policy,
        "title": _shown(title),
        "style": style,
        "table": table,
        "data": data,
        "script": script,
    }
    found: list[str] = []
    for piece in template.split("{{"):
        name, end, rest = piece.partition("}}")
        found.append(pieces[name] + rest if end else name)
    return "".join(found)


@functools.cache
def _parts() -> tuple[str, str, str, str]:
    """The template, the style, the script, and the policy that allows these two only."""
    folder = resources.files("lamina.reports.page")
    template, style, *scripts = (
        folder.joinpath(name).read_text("utf-8") for name in ("page.html", "page.css", *_SCRIPTS)
    )
    script = '"use strict";\n' + "\n".join(scripts)
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
    return template, style, script, policy + "base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _table(plan: Plan, limit: int) -> str:
    """A table of the weights, for viewers without scripts."""
    head = "".join(f"<th>{name}</th>" for name in ("Weight", "Shape", "Dtype", "Bytes", "Why"))
    rows = "".join(f"<tr>{_cells(one)}</tr>" for one in plan.variables[:limit])
    left = len(plan.variables) - limit
    more = f"<p>and {left:,} more</p>" if left > 0 else ""
    return (
        f"<p>{_shown(repr(plan))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _cells(one: PlannedVariable) -> str:
    why = "; ".join(f"{size} = {cause}" for size, cause in zip(one.shape, one.why, strict=False))
    return _row((one.path, str(one.shape), one.dtype, f"{one.nbytes:,}", why))


def _row(texts: Iterable[str]) -> str:
    return "".join(f"<td>{_shown(text)}</td>" for text in texts)


def _shown(text: str) -> str:
    """Text for HTML: short, without characters that change the direction or are not seen."""
    if len(text) > _LETTERS:
        text = text[: _LETTERS - 1] + "…"
    seen = (c if unicodedata.category(c) not in _UNSEEN else f"\\u{ord(c):04x}" for c in text)
    return html.escape("".join(seen))


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
