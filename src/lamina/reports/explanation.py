"""The explanation report: where each layer was made, and why each weight has its shape."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from lamina import initializers
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.reports.facts import Facts, declares, needed_inputs, remedy
from lamina.reports.formatting import count, inputs_text, place, source_of, specs_text
from lamina.reports.printing import line, plain, show
from lamina.reports.shape_causes import COPIES, FIXED, FOLLOWS, UNKNOWN, reasons

__all__ = ["explanation_text", "print_explanation"]

Page = list[RenderableType]


def explanation_text(layer: Tracked) -> str:
    """Explain a layer: what is tracked, built, shared, unused and frozen, and why.

    For each weight the report gives the cause of each size of its shape.

    Args:
        layer: the root.

    Returns:
        Plain text; lines are not wrapped.
    """
    return plain(_page(layer))


def print_explanation(layer: Tracked) -> None:
    """Print the report of :func:`explanation_text`, in colour on a terminal.

    Args:
        layer: the root.
    """
    show(_page(layer))


def _page(root: Tracked) -> Page:
    facts = Facts.of(root)
    unused, external, notes = facts.replanned()
    page = _head(facts)
    for path, layer in facts.tree.layers.values():
        page += [Text(""), *_layer(facts, path, layer, unused)]
    page += _list("Shared", [f"{alias} is {path}" for alias, path in facts.aliases.items()])
    page += _list("Unused: no call reaches it", unused)
    page += _list("Used from outside, built and frozen there", external)
    frozen = [path for path, layer in facts.tree.layers.values() if not layer._lamina.trainable]
    page += _list("Frozen", [path or "all" for path in frozen])
    if root._lamina.built is not None:
        waiting = [f"{path} needs {needed_inputs(layer)}" for path, layer in facts.unbuilt()]
        page += _list("Not built", waiting)
    return page + _list("Note", notes)


def _head(facts: Facts) -> Page:
    root = facts.root
    name = (type(root).__name__, "bold")
    below = count(len(facts.tree.layers) - 1, "layer")
    built = root._lamina.built
    if built is not None:
        return [
            line(name, f" is built, at {place(built.at)}, for {inputs_text(root)}."),
            Text(f"It tracks {below} and has {facts.totals()}."),
        ]
    waiting = line(name, f" is not built. It needs {needed_inputs(root)}. {remedy(root)}")
    weights = count(len(facts.variables), "weight")
    what = f"It tracks {below}; {weights} declared so far, the others follow from the shapes."
    return [waiting, Text(what)]


def _list(title: str, items: list[str]) -> Page:
    if not items:
        return []
    return [Text(""), Text(title, style="bold"), *(Text(f"  {item}") for item in items)]


def _layer(facts: Facts, path: str, layer: Tracked, unused: list[str]) -> Page:
    node = layer._lamina
    kind = type(layer).__name__
    marks = [] if node.trainable else ["frozen"]
    marks += ["unused"] if any(f"{path}.".startswith(other + ".") for other in unused) else []
    title = line((path or kind, "bold cyan"), f"  {kind}" if path else "  the root")
    if marks:
        title.append(f"  [{', '.join(marks)}]", "yellow")
    page: Page = [
        title,
        _row("class", f"defined at {source_of(type(layer))}, made at {place(node.made_at)}"),
    ]
    if node.built is not None:
        page.append(_row("built", f"at {place(node.built.at)}, by {node.built.method}"))
        page.append(_row("input", inputs_text(layer)))
        page.append(_row("output", specs_text(node.built.outputs)))
    elif layer._lamina_outside:
        page.append(_row("built", "never: it is called on data before programs"))
    else:
        page.append(_row("built", f"not yet: needs {needed_inputs(layer)}"))
    own = facts.own.get(id(layer), [])
    if own:
        page += _weights(facts, layer, own)
    elif node.built is None and declares(layer):
        page.append(
            _row("weights", f"none yet: {kind}.build says which, once the shapes are known")
        )
    return page


def _row(label: str, text: str) -> Text:
    return line((f"  {label:<8} ", "dim"), text)


def _weights(facts: Facts, layer: Tracked, own: list[tuple[str, Variable]]) -> Page:
    why = _reasons(facts, layer, own)
    cells = [
        (
            name,
            str(variable.shape),
            str(variable.weight_dtype),
            initializers.describe(variable.initializer),
            "not trained" if id(variable) in facts.frozen else "trained",
            _why(variable, why.get(id(variable))),
        )
        for name, variable in own
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    page: Page = []
    for number, row in enumerate(cells):
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        label = "weights" if number == 0 else ""
        styled = line((f"  {label:<8} ", "dim"), (padded[0], "green"), "  ", "  ".join(padded[1:]))
        page.append(styled.append(f"  {row[5]}", "magenta"))
    return page


def _reasons(
    facts: Facts, layer: Tracked, own: list[tuple[str, Variable]]
) -> dict[int, tuple[str, ...]]:
    """The causes of the shapes, by variable, also of variables that another layer declared."""
    found = reasons(layer, layer._lamina.built)
    missing = {id(variable) for _, variable in own if id(variable) not in found}
    for _, other in facts.tree.layers.values():
        if missing & {id(variable) for variable in other._lamina.declared}:
            found |= reasons(other, other._lamina.built)
    return found


def _why(variable: Variable, reason: tuple[str, ...] | None) -> str:
    if not variable.shape:
        return ""
    if reason is None:
        return "set when the layer was made"
    pairs = zip(variable.shape, reason, strict=True)
    return ", ".join(f"{size} {'' if _is_phrase(text) else '= '}{text}" for size, text in pairs)


def _is_phrase(reason: str) -> bool:
    return reason in (COPIES, FIXED, UNKNOWN) or reason.startswith(FOLLOWS)
