"""The tree of a plan, as reports walk over it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.reports.formatting import count, size_text

__all__ = ["PlanTree", "needed_inputs", "parent_of", "remedy"]


@dataclass
class PlanTree:
    """The layers, weights and calls of a plan by path.

    Attributes:
        plan: the plan.
        layers: the layers by path, in the order of the tree.
        own: the weights of each layer by its path, with their names in it.
        calls: the indices of the calls of each layer by its path.
        aliases: the other paths of shared layers and weights, without those inside shared layers.
    """

    plan: Plan
    layers: dict[str, PlannedLayer]
    own: dict[str, list[tuple[str, PlannedVariable]]]
    calls: dict[str, list[int]]
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, plan: Plan) -> PlanTree:
        """Arrange the parts of a plan by path."""
        own: dict[str, list[tuple[str, PlannedVariable]]] = {}
        for variable in plan.variables:
            inside = variable.path.startswith(f"{variable.owner}.") and variable.owner
            name = variable.path[len(variable.owner) + 1 :] if inside else variable.path
            own.setdefault(variable.owner, []).append((name, variable))
        calls: dict[str, list[int]] = {}
        for index, call in enumerate(plan.calls):
            calls.setdefault(call.path, []).append(index)
        layers = {layer.path: layer for layer in plan.layers}
        return cls(plan, layers, own, calls, _outer(plan.aliases))

    @property
    def root(self) -> PlannedLayer:
        """The root."""
        return self.plan.layers[0]

    def call_of(self, path: str) -> PlannedCall | None:
        """Return the first call of a layer; None if it is not called."""
        return self.plan.calls[self.calls[path][0]] if path in self.calls else None

    def totals(self) -> str:
        """The number of parameters, their bytes, and the number of trainable ones, as text."""
        weights = [variable for variable in self.plan.variables if variable.is_weight]
        every = sum(variable.size for variable in weights)
        still = sum(variable.size for variable in weights if variable.trainable is False)
        nbytes = sum(variable.nbytes for variable in weights)
        head = f"{count(every, 'parameter')} ({size_text(nbytes)})"
        if any(variable.trainable is None for variable in weights):
            return head
        return f"{head}: {every - still:,} trainable, {still:,} not trainable"

    def unbuilt(self) -> list[PlannedLayer]:
        """The unbuilt layers below the root, without those inside another unbuilt layer."""
        found: list[PlannedLayer] = []
        for path, layer in self.layers.items():
            inside = found and f"{path}.".startswith(f"{found[-1].path}.")
            if path and layer.built_at is None and not layer.outside and not inside:
                found.append(layer)
        return found


def _outer(aliases: dict[str, str]) -> dict[str, str]:
    """Return the aliases without those that follow from the alias of a layer around them.

    References of a child to a layer around it are left out as well.
    """
    found: dict[str, str] = {}
    for alias, path in aliases.items():
        if not path or alias.startswith(f"{path}."):
            continue
        above, name = alias.rpartition(".")[::2]
        while above and above not in aliases:
            above, _, outer = above.rpartition(".")
            name = f"{outer}.{name}"
        if not above or f"{aliases[above]}.{name}" != path:
            found[alias] = path
    return found


def needed_inputs(layer: PlannedLayer) -> str:
    """Describe the inputs of a layer's call, which would build it.

    Args:
        layer: an unbuilt layer.

    Returns:
        The names of the inputs, as text.
    """
    if layer.needs is None:
        return "a call method, which its class does not define"
    names = ", ".join(layer.needs) or "a call"
    return f"{names} (and optionally {', '.join(layer.optional)})" if layer.optional else names


def remedy(layer: PlannedLayer) -> str:
    """Describe how to build a layer.

    Args:
        layer: an unbuilt layer.

    Returns:
        A sentence.
    """
    if layer.needs is None:
        return "Define a call method in the class."
    named = ("shape, ..." if one.startswith("*") else f"{one}=shape" for one in layer.needs)
    is_one = len(layer.needs) == 1 and not layer.needs[0].startswith("*")
    shapes = "shape" if is_one else ", ".join(named)
    return f"Call it on arrays, or build({shapes})."


def parent_of(path: str, layers: Container[str]) -> str:
    """Return the path of the layer that contains a path.

    Args:
        path: the path of a layer or a weight.
        layers: the paths of all layers.

    Returns:
        The path of the parent; empty for the root.

    >>> parent_of("encoder.dense.kernel", {"", "encoder", "encoder.dense"})
    'encoder.dense'
    """
    above = path.rpartition(".")[0]
    while above and above not in layers:
        above = above.rpartition(".")[0]
    return above
