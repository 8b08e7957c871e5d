"""The summary report: the tree of layers with outputs, weights and totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.reports.facts import Facts, needed_inputs, parent_of, remedy
from lamina.reports.formatting import inputs_text, place, specs_text
from lamina.reports.printing import line, plain, show, table

__all__ = ["print_summary", "summary_text"]


class SummaryOptions(TypedDict, total=False):
    """What a summary lists.

    Args:
        expand_nested: whether layers within layers are listed. Default True.
        show_trainable: whether each layer is marked as trainable or not. Default False.
        layer_range: expressions of the names of the first and the last layer. Default None: all.
    """

    expand_nested: bool
    show_trainable: bool
    layer_range: Sequence[str] | None


def summary_text(layer: Tracked) -> str:
    """Summarize a layer: its tree, the output and weights of each layer, and totals.

    Args:
        layer: the root.

    Returns:
        Plain text; lines are not wrapped.
    """
    return plain(_page(layer, {}))


def print_summary(
    layer: Tracked,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    **options: Unpack[SummaryOptions],
) -> None:
    """Print the report of :func:`summary_text`, in colour on a terminal.

    Args:
        layer: the root.
        line_length: the width of the lines; None (default) for that of the terminal, or of the
            longest line elsewhere.
        print_fn: a function of the text, called instead of printing; None by default.
        options: see :class:`SummaryOptions`.

    Raises:
        InputError: no layer has a name of `layer_range`.
    """
    page = _page(layer, options)
    if print_fn is None:
        show(page, line_length)
    else:
        print_fn(plain(page, line_length))


def _page(root: Tracked, options: SummaryOptions) -> list[RenderableType]:
    facts = Facts.of(root)
    built = root._lamina.built
    name = (type(root).__name__, "bold")
    if built is None:
        head = line(name, f" is not built. It needs {needed_inputs(root)}. {remedy(root)}")
    else:
        head = line(name, f" for {inputs_text(root)}, built at {place(built.at)}")
    page: list[RenderableType] = [
        head,
        Text(""),
        _tree(facts, options),
        Text(""),
        Text(facts.totals()),
    ]
    rows = _rows(facts)
    shared = {alias: path for alias, path in facts.aliases.items() if alias not in rows}
    page += [Text(f"shared: {alias} is {path}") for alias, path in shared.items()]
    if built is not None:
        page += [
            Text(f"not built: {path} needs {needed_inputs(layer)}")
            for path, layer in facts.unbuilt()
        ]
    return page


def _tree(facts: Facts, options: SummaryOptions) -> Table:
    every = options.get("show_trainable", False)
    made = table(
        "layer",
        "class",
        "output",
        "weights",
        "params",
        "trainable" if every else "",
        numbers=("params",),
    )
    layers = dict(facts.tree.layers.values())
    depths: dict[str, int] = {}
    expand = options.get("expand_nested", True)
    rows = _rows(facts)
    chosen = _in_range(rows, facts, options.get("layer_range"))
    for path in rows:
        above = parent_of(path, layers) if path else None
        depths[path] = 0 if above is None else depths[above] + 1
        if path not in chosen or (depths[path] > 1 and not expand):
            continue
        name = path[len(above) + 1 :] if above else path or type(facts.root).__name__
        label = "  " * depths[path] + name
        if path not in layers:
            made.add_row(label, f"= {facts.aliases[path]}", "", "", "", "shared", style="dim")
            continue
        layer = layers[path]
        own = facts.own.get(id(layer), [])
        made.add_row(
            label,
            type(layer).__name__,
            _output(layer),
            "\n".join(_weight(facts, weight, variable) for weight, variable in own),
            f"{sum(v.size for _, v in own if v.is_weight):,}" if own else "",
            _trains(layer, every),
        )
    return made


def _trains(layer: Tracked, every: bool) -> str:
    trains = layer._lamina.trainable
    return ("yes" if trains else "no") if every else "" if trains else "frozen"


def _in_range(rows: list[str], facts: Facts, names: Sequence[str] | None) -> list[str]:
    """The root, and the rows from the first layer of a name to the last layer of another."""
    if names is None:
        return rows
    layers = dict(facts.tree.layers.values())
    tops = {path: name_of(layers[path]) for path in layers if path and "." not in path}
    listed = [re.fullmatch(r"layers\.\d+", path) for path in layers]
    tops |= {m.string: name_of(layers[m.string]) for m in listed if m is not None}
    ends = [[path for path, name in tops.items() if re.match(one, name)] for one in names]
    if len(ends) != 2 or not all(ends):
        raise InputError(
            explain(
                "layer_range does not select two layers.",
                expected=f"expressions for two of {', '.join(tops.values())}",
                received=repr(names),
                remedy="Pass the names of the first and the last layer to show.",
            )
        )
    first, last = rows.index(ends[0][0]), rows.index(ends[1][-1])
    inside = [row for row in rows if row.startswith(f"{rows[last]}.")]
    return ["", *rows[min(first, last) : max(first, last) + 1], *inside]


def _rows(facts: Facts) -> list[str]:
    """The paths of layers in the order of the tree, with other paths of shared layers."""
    layers = dict(facts.tree.layers.values())
    rows = list(layers)
    for alias, path in facts.aliases.items():
        if path not in layers:
            continue
        above = parent_of(alias, layers)
        beside = [i for i, row in enumerate(rows) if not above or f"{row}.".startswith(above + ".")]
        rows.insert(beside[-1] + 1, alias)
    return rows


def _output(layer: Tracked) -> str:
    built = layer._lamina.built
    if built is None:
        return "before programs" if layer._lamina_outside else "not built"
    return specs_text(built.outputs)


def _weight(facts: Facts, name: str, variable: Variable) -> str:
    return f"{name} {variable.shape}{' not trained' if id(variable) in facts.frozen else ''}"
