"""The summary: the tree with its outputs and weights, and what they come to."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from lamina.core.node import Tracked
from lamina.reports.facts import Facts, awaited, inputs_text, place, specs_text
from lamina.reports.printing import line, plain, show, table

__all__ = ["print_summary", "summary_text"]


def summary_text(layer: Tracked) -> str:
    """The tree of a layer, each layer's output and weights, and totals, as plain text."""
    return plain(_page(layer))


def print_summary(layer: Tracked) -> None:
    """Print the tree of a layer, each layer's output and weights, and totals."""
    show(_page(layer))


def _page(root: Tracked) -> list[RenderableType]:
    facts = Facts.of(root)
    built = root._lamina.built
    name = type(root).__name__
    if built is None:
        state = line((name, "bold"), " is not built. It awaits ", awaited(root), ".")
    else:
        state = line((name, "bold"), " for ", inputs_text(root), ", built at ", place(built.at))
    rows = table("layer", "class", "output", "weights", "parameters", "", numbers=("parameters",))
    pending: list[tuple[str, str, int]] = [(p, "", 0) for p, _ in facts.tree.layers.values()]
    depths: dict[str, int] = {}
    by_path = dict(facts.tree.layers.values())
    names = [*(path for path, *_ in pending), *_layer_aliases(facts)]
    for path in sorted(names, key=_order(facts)):
        parent = _parent(path, depths)
        depth = depths[parent] + 1 if parent is not None else 0
        depths[path] = depth
        label = "  " * depth + (path[len(parent) + 1 :] if parent else path or name)
        if path in by_path:
            rows.add_row(*_row(facts, label, by_path[path]))
        else:
            rows.add_row(label, f"= {facts.aliases[path]}", "", "", "", "shared", style="dim")
    page: list[RenderableType] = [state, Text(""), rows, Text(""), Text(facts.totals())]
    shared = {a: p for a, p in facts.aliases.items() if a not in names}
    page += [Text(f"shared: {alias} is {path}") for alias, path in shared.items()]
    waiting = facts.unbuilt() if built is not None else []
    page += [Text(f"not built: {path} awaits {awaited(layer)}") for path, layer in waiting]
    return page


def _layer_aliases(facts: Facts) -> list[str]:
    layers = {path for path, _ in facts.tree.layers.values()}
    return [alias for alias, path in facts.aliases.items() if path in layers]


def _order(facts: Facts):  # noqa: ANN202
    raise NotImplementedError
