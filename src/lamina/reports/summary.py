"""The summary report: the tree of layers with outputs, weights and totals."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.reports.facts import Facts, needed_inputs, parent_of, remedy
from lamina.reports.formatting import inputs_text, place, specs_text
from lamina.reports.printing import line, plain, show, table

__all__ = ["print_summary", "summary_text"]


def summary_text(layer: Tracked) -> str:
    """Summarize a layer: its tree, the output and weights of each layer, and totals.

    Args:
        layer: the root.

    Returns:
        Plain text; lines are not wrapped.
    """
    return plain(_page(layer))


def print_summary(layer: Tracked) -> None:
    """Print the report of :func:`summary_text`, in colour on a terminal.

    Args:
        layer: the root.
    """
    show(_page(layer))


def _page(root: Tracked) -> list[RenderableType]:
    facts = Facts.of(root)
    built = root._lamina.built
    name = (type(root).__name__, "bold")
    if built is None:
        head = line(name, f" is not built. It needs {needed_inputs(root)}. {remedy(root)}")
    else:
        head = line(name, f" for {inputs_text(root)}, built at {place(built.at)}")
    page: list[RenderableType] = [head, Text(""), _tree(facts), Text(""), Text(facts.totals())]
    rows = _rows(facts)
    shared = {alias: path for alias, path in facts.aliases.items() if alias not in rows}
    page += [Text(f"shared: {alias} is {path}") for alias, path in shared.items()]
    if built is not None:
        page += [
            Text(f"not built: {path} needs {needed_inputs(layer)}")
            for path, layer in facts.unbuilt()
        ]
    return page


def _tree(facts: Facts) -> Table:
    made = table("layer", "class", "output", "weights", "params", "", numbers=("params",))
    layers = dict(facts.tree.layers.values())
    depths: dict[str, int] = {}
    for path in _rows(facts):
        above = parent_of(path, layers) if path else None
        depths[path] = 0 if above is None else depths[above] + 1
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
            "" if layer._lamina.trainable else "frozen",
        )
    return made


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
    return "not built" if built is None else specs_text(built.outputs)


def _weight(facts: Facts, name: str, variable: Variable) -> str:
    return f"{name} {variable.shape}{' not trained' if id(variable) in facts.frozen else ''}"
