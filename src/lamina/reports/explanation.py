"""The explanation report: where each layer was made, and why each weight has its shape."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from lamina.core.base.replaced_files import replacing
from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.errors import UnknownNameError, closest, explain, shown
from lamina.reports.formatting import count, place, scaled, size_text, specs_text
from lamina.reports.origins import Origins, array_specs
from lamina.reports.page import html_page, notebook_html
from lamina.reports.printing import line
from lamina.reports.report import Report
from lamina.reports.shape_causes import COPIES, FIXED, FOLLOWS, UNKNOWN
from lamina.reports.tree import PlanTree, needed_inputs, remedy

__all__ = ["Explanation"]

Page = list[RenderableType]
_TRAINED = {True: "trained", False: "not trained", None: ""}
_CALLS = 3  # the number of calls of a layer that are listed, unless only it is shown


class Explanation(Report):
    """What is tracked, built, called, shared, unused and frozen in a tree of layers, and why.

    ``str`` gives the text, :meth:`to_html` a page, and :meth:`to_json` the data.

    Args:
        plan: the plan, which :func:`lamina.reports.examine` makes.
        path: the path of a layer or weight that alone is shown; None (default) for all.
        why: the name or path of weights whose shapes are explained; None (default) for none.

    Attributes:
        plan: the plan.

    Raises:
        UnknownNameError: the plan has no such path.
    """

    def __init__(self, plan: Plan, path: str | None = None, why: str | None = None) -> None:
        self.plan = plan
        self._tree = PlanTree.of(plan)
        self._origins = Origins(plan)
        self._path = None if path is None else self._known(path)
        self._weights = None if why is None else self._named(why)

    def to_json(self) -> str:
        """Return the plan as JSON; see :meth:`lamina.Plan.to_json`."""
        return self.plan.to_json()

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, other: Plan | None = None
    ) -> str:
        """Return the plan as a page of HTML, which needs no other file and no network.

        Args:
            path: a file to write; None (default) for none.
            other: an earlier plan, to list what has changed since; None (default) for none.

        Returns:
            The page.
        """
        page = html_page(self.plan, title=self._title(), other=other)
        if path is not None:
            with replacing(os.fsdecode(path)) as temporary:
                Path(temporary).write_text(page, encoding="utf-8")
        return page

    def _repr_html_(self) -> str:
        whole = self._path is None and self._weights is None
        return notebook_html(self.plan) if whole else super()._repr_html_()

    def _title(self) -> str:
        return shown(self._tree.root.layer if self.plan.layers else "") or "a file"

    def _page(self) -> Sequence[RenderableType]:
        if self._weights is not None:
            return self._reasons(self._weights)
        if self._path is not None:
            return self._part(self._path)
        return self._whole()

    # The paths.

    def _known(self, path: str) -> str:
        tree = self._tree
        path = self.plan.aliases.get(path, path)
        if path not in tree.layers and all(v.path != path for v in self.plan.variables):
            every = [*tree.layers, *(v.path for v in self.plan.variables), *self.plan.aliases]
            raise UnknownNameError(_unknown("path", path, every))
        return path

    def _named(self, why: str) -> list[PlannedVariable]:
        path = self.plan.aliases.get(why, why)
        found = [v for v in self.plan.variables if v.path == path or v.path.endswith(f".{why}")]
        if not found:
            names = [v.path for v in self.plan.variables]
            names += [name.rpartition(".")[-1] for name in names]
            raise UnknownNameError(_unknown("weight", why, names))
        return found

    # The parts of the page.

    def _whole(self) -> Page:
        tree = self._tree
        if not self.plan.layers:
            return [*map(line, str(self.plan).split("\n"))]
        page = self._head()
        for path in tree.layers:
            page += [Text(""), *self._layer(path, _CALLS)]
        page += _list("Shared", [f"{alias} is {path}" for alias, path in tree.aliases.items()])
        page += _list("Unused: no call reaches it", list(self.plan.unused))
        page += _list("Used from outside, built and frozen there", list(self.plan.external))
        frozen = [path or "all" for path, layer in tree.layers.items() if not layer.trainable]
        page += _list("Frozen", frozen)
        if tree.root.built_at is not None:
            waiting = [f"{layer.path} needs {needed_inputs(layer)}" for layer in tree.unbuilt()]
            page += _list("Not built", waiting)
        return page + _list("Note", list(self.plan.notes))

    def _head(self) -> Page:
        tree = self._tree
        root = tree.root
        name = (root.layer or "The file", "bold")
        if root.made_at is None:
            return [line(name, f" has {count(len(tree.layers) - 1, 'layer')} and {tree.totals()}.")]
        below = count(len(tree.layers) - 1, "layer")
        call = tree.call_of("")
        if root.built_at is None and call is None:
            weights = count(len(self.plan.variables), "weight")
            what = (
                f"It tracks {below}; {weights} declared so far, the others follow from the shapes."
            )
            waiting = f" is not built. It needs {needed_inputs(root)}. {remedy(root)}"
            return [line(name, waiting), Text(what)]
        state = "planned" if root.built_at is None else f"built, at {place(root.built_at)},"
        cost = ""
        if call is not None and call.flops:
            cost = f" A call takes {scaled(call.flops)} FLOPs{_sizes(call)}."
        return [
            line(name, f" is {state} for {inputs_text(root)}."),
            Text(f"It tracks {below} and has {tree.totals()}.{cost}"),
        ]

    def _layer(self, path: str, most: int | None = None) -> Page:
        tree = self._tree
        layer = tree.layers[path]
        label = f"  {layer.layer or '(class not in the file)'}" if path else "  the root"
        marks = ", ".join(self._marks(layer))
        name = path or layer.layer or "(class not in the file)"
        title = line((name, "bold cyan"), label, (f"  [{marks}]" if marks else "", "yellow"))
        page: Page = [title, *([] if layer.made_at is None else self._made(layer))]
        if layer.method:
            page.append(_row("input", inputs_text(layer)))
            if layer.made_at is not None:
                page.append(_row("output", specs_text(layer.outputs)))
        page += self._calls(path, most)
        own = tree.own.get(path, [])
        if own:
            page += self._weights_of(own)
        elif not layer.method and layer.declares:
            text = f"none yet: {layer.layer}.build says which, once the shapes are known"
            page.append(_row("weights", text))
        return page

    def _made(self, layer: PlannedLayer) -> Page:
        """Where a layer was made, and whether it is built."""
        defined = "(source not available)" if layer.defined_at is None else place(layer.defined_at)
        page: Page = [_row("class", f"defined at {defined}, made at {place(layer.made_at)}")]
        if layer.built_at is not None:
            page.append(_row("built", f"at {place(layer.built_at)}, by {layer.method}"))
        elif layer.outside:
            page.append(_row("built", "never: it is called on data before programs"))
        elif layer.path not in self._tree.calls:
            page.append(_row("built", f"not yet: needs {needed_inputs(layer)}"))
        return page

    def _marks(self, layer: PlannedLayer) -> list[str]:
        tree = self._tree
        inside = f"{layer.path}."
        marks = [] if layer.trainable else ["frozen"]
        marks += ["unused"] if any(inside.startswith(f"{p}.") for p in self.plan.unused) else []
        if layer.built_at is not None and tree.root.built_at not in (None, layer.built_at):
            marks.append("built apart")
        marks += [f"{layer.copies} copies"] if layer.copies > 1 else []
        return marks

    def _calls(self, path: str, most: int | None) -> Page:
        """One row for each call of a layer: its number in the order of calls, the caller, and
        the cost; the specs only where they differ from those of the first call."""
        indices = self._tree.calls.get(path, [])
        calls = self.plan.calls
        page: Page = []
        for number, index in enumerate(indices[:most]):
            call = calls[index]
            by = calls[call.caller].path or "the root" if call.caller >= 0 else ""
            words = [f"call {index}" + (f" by {by}" if by else "")]
            words[0] += f", at {place(call.called_at)}"
            if call.method != "call":
                words.append(f"method {call.method}")
            if number and str(call.inputs) != str(calls[indices[0]].inputs):
                words.append(f"{call.inputs} -> {specs_text(call.outputs)}")
            if call.flops:
                words.append(f"{scaled(call.flops)} FLOPs")
            page.append(_row("called" if number == 0 else "", ", ".join(words)))
        if most is not None and len(indices) > most:
            page.append(_row("", f"and {len(indices) - most:,} more calls"))
        return page

    def _weights_of(self, own: list[tuple[str, PlannedVariable]]) -> Page:
        cells = [
            (
                shown(name),
                str(variable.shape),
                shown(variable.dtype),
                shown(variable.initializer),
                _TRAINED[variable.trainable],
                self._why(variable),
            )
            for name, variable in own
        ]
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        page: Page = []
        for number, row in enumerate(cells):
            padded = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
            label = "weights" if number == 0 else ""
            head, rest = (f"  {label:<8} ", "dim"), "  ".join(padded[1:])
            page.append(line(head, (padded[0], "green"), "  ", rest, (f"  {row[5]}", "magenta")))
        return page

    def _why(self, variable: PlannedVariable) -> str:
        if not variable.shape:
            return ""
        if not variable.why:
            return "" if variable.declared_at is None else "set when the layer was made"
        return ", ".join(
            self._cause(variable, axis, size, why)
            for axis, (size, why) in enumerate(zip(variable.shape, variable.why, strict=False))
        )

    def _cause(self, variable: PlannedVariable, axis: int, size: int, why: str) -> str:
        if why in (COPIES, FIXED, UNKNOWN) or why.startswith(FOLLOWS):
            return f"{size} {why}"
        origin = self._origins.of(variable, axis)
        return f"{size} = {why}" + (f" ({origin})" if origin else "")

    # The explanation of one path, or of some weights.

    def _part(self, path: str) -> Page:
        if path not in self._tree.layers:
            return self._reasons([v for v in self.plan.variables if v.path == path])
        page: Page = []
        for inner in self._tree.layers:
            if inner == path or inner.startswith(f"{path}.") or not path:
                page += [Text(""), *self._layer(inner)] if page else self._layer(inner)
        also = [alias for alias, first in self._tree.aliases.items() if first == path]
        page += _list("Shared: it is also", also)
        dims = self._dims_of(path)
        return page + _list("Dims: where each one goes", dims)

    def _dims_of(self, path: str) -> list[str]:
        """A line for each dim of a layer's weights and outputs, with all its places."""
        sizes: dict[int, Any] = {}
        for _, variable in self._tree.own.get(path, []):
            sizes |= dict(zip(variable.dims, variable.shape, strict=False))
        for index in self._tree.calls.get(path, [])[:1]:
            sizes |= _output_sizes(self.plan.calls[index])
        sizes.pop(-1, None)
        return [self._goes(dim, size) for dim, size in sizes.items()]

    def _goes(self, dim: int, size: Any) -> str:
        places = self._origins.places(dim)
        more = f", and {len(places) - 12:,} more" if len(places) > 12 else ""
        return f"{'?' if size is None else size}: {', '.join(places[:12])}{more}"

    def _reasons(self, variables: list[PlannedVariable]) -> Page:
        page: Page = []
        for variable in variables:
            page += [Text("")] if page else []
            owner = self._tree.layers.get(variable.owner)
            kind = variable.layer if owner is None else owner.layer
            page.append(line((variable.path, "bold green"), f"  of {kind}"))
            text = f"{variable.shape}  {variable.dtype}  {variable.initializer}"
            page.append(_row("shape", f"{text}  {size_text(variable.nbytes)}"))
            if variable.declared_at is not None:
                page.append(_row("declared", f"at {place(variable.declared_at)}"))
            causes = zip(variable.shape, variable.why, strict=False)
            for axis, (size, why) in enumerate(causes):
                cause = self._cause(variable, axis, size, why)
                page.append(_row(f"axis {axis}", cause))
            if not variable.why and variable.shape and variable.declared_at is not None:
                page.append(_row("why", "set when the layer was made"))
            page += self._calls(variable.owner, _CALLS)
            call = self._tree.call_of(variable.owner)
            if call is not None:
                page.append(_row("input", str(call.inputs)))
            sizes = dict(zip(variable.dims, variable.shape, strict=False))
            sizes.pop(-1, None)
            for number, (dim, size) in enumerate(sizes.items()):
                page.append(_row("goes to" if number == 0 else "", self._goes(dim, size)))
        return page


def inputs_text(layer: PlannedLayer) -> str:
    """Describe the inputs of a layer's first call, by name."""
    found = [f"{name}: {specs_text(value)}" for name, value in layer.inputs.items()]
    return ", ".join(found) or "nothing"


def _output_sizes(call: PlannedCall) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for spec, dims in zip(array_specs(call.outputs), call.output_dims, strict=False):
        found |= dict(zip(dims, spec.shape, strict=False))
    return found


def _sizes(call: PlannedCall) -> str:
    return "" if all(spec.known for spec in call.inputs.leaves()) else " where unknown sizes are 1"


def _list(title: str, items: list[str]) -> Page:
    if not items:
        return []
    return [Text(""), Text(title, style="bold"), *(line(f"  {item}") for item in items)]


def _row(label: str, text: str) -> Text:
    return line((f"  {label:<8} ", "dim"), text)


def _unknown(kind: str, name: str, known: Sequence[str]) -> str:
    close = closest(name, [one for one in known if one])
    return explain(
        f"The model has no {kind} {name!r}.",
        expected="the path of a layer or a weight, or for why= the name of weights",
        received=repr(name),
        remedy="Print explain() for all paths." if close is None else f"Did you mean {close!r}?",
    )
