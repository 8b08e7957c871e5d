"""The summary report: the tree of layers with outputs, weights and totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lamina.core.building.plan import Plan, PlannedLayer, PlannedVariable
from lamina.errors import InputError, explain, shown
from lamina.reports.explanation import inputs_text
from lamina.reports.formatting import place, specs_text
from lamina.reports.printing import line, plain, show, table
from lamina.reports.report import Report
from lamina.reports.tree import PlanTree, needed_inputs, parent_of, remedy

__all__ = ["Summary"]

_TRAINED = {True: "", False: " not trained", None: ""}


class Summary(Report):
    """A table of the layers: the output, the weights and the number of parameters of each.

    Args:
        plan: the plan, which :func:`lamina.reports.inventory` makes.
        line_length: the width of the lines; None (default) for that of the terminal, or of the
            longest line elsewhere.
        expand_nested: whether layers within layers are listed; True by default.
        show_trainable: whether each layer is marked as trainable or not; False by default.
        layer_range: expressions of the names of the first and the last layer; None (default) for
            all.

    Attributes:
        plan: the plan.

    Raises:
        InputError: no layer has a name of `layer_range`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        line_length: int | None = None,
        expand_nested: bool = True,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        self.plan = plan
        self._tree = PlanTree.of(plan)
        self._width = line_length
        self._nested = expand_nested
        self._every = show_trainable
        self._rows = _rows(self._tree)
        self._chosen = set(_in_range(self._rows, self._tree, layer_range))

    def __str__(self) -> str:
        return plain(self._page(), self._width)

    def _title(self) -> str:
        return self._tree.root.layer

    def show(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the table, in colour on a terminal.

        Args:
            print_fn: a function of the text, called instead of printing; None by default.
        """
        if print_fn is not None:
            print_fn(str(self))
        elif self._width is None:
            super().show()
        else:
            show(self._page(), self._width)

    def _page(self) -> list[RenderableType]:
        tree, root = self._tree, self._tree.root
        name = (root.layer, "bold")
        if root.built_at is None:
            head = line(name, f" is not built. It needs {needed_inputs(root)}. {remedy(root)}")
        else:
            head = line(name, f" for {inputs_text(root)}, built at {place(root.built_at)}")
        page: list[RenderableType] = [
            head,
            Text(""),
            self._table(),
            Text(""),
            Text(tree.totals()),
        ]
        shared = {alias: path for alias, path in tree.aliases.items() if alias not in self._rows}
        page += [line(f"shared: {alias} is {path}") for alias, path in shared.items()]
        if root.built_at is not None:
            page += [
                line(f"not built: {layer.path} needs {needed_inputs(layer)}")
                for layer in tree.unbuilt()
            ]
        return page

    def _table(self) -> Table:
        tree = self._tree
        made = table(
            "layer",
            "class",
            "output",
            "weights",
            "params",
            "trainable" if self._every else "",
            numbers=("params",),
        )
        layers = tree.layers
        depths: dict[str, int] = {}
        for path in self._rows:
            above = parent_of(path, layers) if path else None
            depths[path] = 0 if above is None else depths[above] + 1
            if path not in self._chosen or (depths[path] > 1 and not self._nested):
                continue
            name = path[len(above) + 1 :] if above else path or tree.root.layer
            label = "  " * depths[path] + name
            if path not in layers:
                made.add_row(label, f"= {tree.aliases[path]}", "", "", "", "shared", style="dim")
                continue
            layer = layers[path]
            own = tree.own.get(path, [])
            made.add_row(
                label,
                layer.layer,
                _output(layer),
                _weights(own),
                f"{sum(v.size for _, v in own if v.is_weight):,}" if own else "",
                self._trains(layer),
            )
        return made

    def _trains(self, layer: PlannedLayer) -> str:
        if self._every:
            return "yes" if layer.trainable else "no"
        return "" if layer.trainable else "frozen"


def _in_range(rows: list[str], tree: PlanTree, names: Sequence[str] | None) -> list[str]:
    """The root, and the rows from the first layer of a name to the last layer of another."""
    if names is None:
        return rows
    layers = tree.layers
    tops = {path: layer.name for path, layer in layers.items() if path and "." not in path}
    listed = [re.fullmatch(r"layers\.\d+", path) for path in layers]
    tops |= {m.string: layers[m.string].name for m in listed if m is not None}
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


def _rows(tree: PlanTree) -> list[str]:
    """The paths of layers in the order of the tree, with other paths of shared layers."""
    layers = tree.layers
    rows = list(layers)
    for alias, path in tree.aliases.items():
        if path not in layers:
            continue
        above = parent_of(alias, layers)
        beside = [i for i, row in enumerate(rows) if not above or f"{row}.".startswith(above + ".")]
        rows.insert(beside[-1] + 1, alias)
    return rows


def _weights(own: Sequence[tuple[str, PlannedVariable]]) -> Text:
    lines = (shown(f"{name} {v.shape}{_kind(v)}{_TRAINED[v.trainable]}") for name, v in own)
    return Text("\n".join(lines))


def _kind(variable: PlannedVariable) -> str:
    """The dtype of integers, as those of quantized kernels."""
    return f" {variable.dtype}" if variable.dtype in ("int8", "uint8") else ""


def _output(layer: PlannedLayer) -> str:
    if layer.built_at is None:
        return "before programs" if layer.outside else "not built"
    return specs_text(layer.outputs)
