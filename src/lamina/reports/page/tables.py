"""The data of the page: a plan as short JSON, in which equal values stand once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from lamina.core.base.pytrees import leaves_of
from lamina.core.base.sites import Site
from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.core.specs.spec import Spec
from lamina.reports.formatting import place
from lamina.reports.origins import named_inputs

__all__ = ["page_data"]


def page_data(plan: Plan, title: str, other: Plan | None) -> str:
    """Return the data of the page as JSON that is safe within a ``<script>`` element.

    Args:
        plan: the plan to show.
        title: the title of the page.
        other: an earlier plan to compare with; None for no comparison.
    """
    shared = _Shared()
    layers = {one.path: one for one in plan.layers}
    data = {
        "title": title,
        "layers": [_layer(one, shared) for one in plan.layers],
        "variables": [_variable(one, shared) for one in plan.variables],
        "calls": [_call(one, layers.get(one.path), shared) for one in plan.calls],
        "unused": plan.unused,
        "aliases": [*plan.aliases.items()],
        "external": plan.external,
        "notes": plan.notes,
        "changes": None if other is None else _changes(plan, other, shared),
        "shared": shared.texts,
    }
    text = json.dumps(data, separators=(",", ":"), default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Shared:
    """A table of values, each of which stands once."""

    def __init__(self) -> None:
        self.texts: list[Any] = []
        self._places: dict[Any, int] = {}

    def __call__(self, key: Any, value: Any) -> int:
        """Return the place of a value; equal values have equal keys."""
        at = self._places.get(key)
        if at is None:
            at = self._places[key] = len(self.texts)
            self.texts.append(value)
        return at

    def text(self, text: str) -> int:
        return self(text, text)

    def site(self, site: Site | None) -> int:
        if site is None:
            return -1
        return self._places[site] if site in self._places else self(site, place(site))

    def specs(self, name: str, tree: Any) -> int:
        """Return the place of a list of ``[name, dtype, shape]``, or ``[name, text]``."""
        found = [*_specs(name, tree)]
        return self(("specs", repr(found)), found)


def _specs(name: str, tree: Any) -> Iterator[list[Any]]:
    """List the specs of a pytree in the order of :class:`Recording`."""
    if isinstance(tree, Spec):
        yield [name, str(tree.dtype), list(tree.shape)]
    elif isinstance(tree, Mapping):
        for key, value in cast("Mapping[Any, Any]", tree).items():
            yield from _specs(f"{name}.{key}" if name else str(key), value)
    elif isinstance(tree, list | tuple):
        for at, value in enumerate(cast("Sequence[Any]", tree)):
            yield from _specs(f"{name}[{at}]" if name else "", value)
    elif tree is not None:
        leaves = [one for one in leaves_of(tree) if isinstance(one, Spec)]
        for one in leaves:
            yield from _specs(name, one)
        if not leaves:
            yield [name, str(tree)]


def _layer(one: PlannedLayer, shared: _Shared) -> list[Any]:
    return [
        one.path,
        shared.text(one.layer),
        one.name,
        shared.site(one.made_at),
        shared.site(one.defined_at),
        shared.site(one.built_at),
        int(one.trainable) + 2 * one.declares + 4 * one.outside,
        one.copies,
        shared.text(one.method),
        shared.specs("", one.inputs),
        shared.specs("", one.outputs),
        None if one.needs is None else shared.text(", ".join(one.needs)),
    ]


def _variable(one: PlannedVariable, shared: _Shared) -> list[Any]:
    return [
        one.path,
        one.owner,
        shared.text(one.layer),
        one.shape,
        shared.text(one.dtype),
        shared.text(one.initializer),
        int(one.trainable is not False) + 2 * one.is_weight,
        one.nbytes,
        shared.site(one.declared_at),
        one.stacked,
        shared(("why", *one.why), one.why),
        one.dims,
    ]


def _call(one: PlannedCall, layer: PlannedLayer | None, shared: _Shared) -> list[Any]:
    return [
        one.path,
        shared.text(one.layer),
        shared.text(one.method),
        shared.specs("", _inputs(one, layer)),
        shared.specs("", one.outputs),
        shared.site(one.called_at),
        one.caller,
        one.sources,
        one.results,
        one.flops,
        _dims(one.input_dims),
        _dims(one.output_dims),
    ]


def _inputs(call: PlannedCall, layer: PlannedLayer | None) -> list[Any] | dict[str, Any]:
    """The inputs of a call; by name if there are several."""
    found = named_inputs(call, layer)
    is_one = len(found) == 1 and not call.inputs.kwargs
    return [value for _, value in found] if is_one else dict(found)


def _dims(dims: Iterable[tuple[int, ...]]) -> list[list[int]]:
    return [list(one) for one in dims]


def _changes(plan: Plan, other: Plan, shared: _Shared) -> list[list[Any]]:
    """List the changes from the other plan to the plan: ``[kind, path, before, after]``."""
    found = other.diff(plan)
    rows: list[list[Any]] = [["added", one.path, None, _kind(one, shared)] for one in found.added]
    rows += [["removed", one.path, _kind(one, shared), None] for one in found.removed]
    rows += [["changed", a.path, _kind(a, shared), _kind(b, shared)] for a, b in found.changed]
    return rows


def _kind(one: PlannedVariable, shared: _Shared) -> list[Any]:
    return [one.shape, shared.text(one.dtype), shared.text(one.initializer), one.trainable]
