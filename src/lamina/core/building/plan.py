"""Plans of builds, as data: the layers, weights and calls of a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from lamina.core.base.sites import Site
from lamina.core.building import errors
from lamina.core.building.plan_json import decode, encode
from lamina.core.specs.spec import Arguments
from lamina.errors import InputError, shown
from lamina.lazy import lazily

page: Any = lazily("lamina.reports.page")

__all__ = ["Plan", "PlanDiff", "PlannedCall", "PlannedLayer", "PlannedVariable"]


_PlacedPlan = TypeVar("_PlacedPlan", covariant=True)


class _Placer(Protocol[_PlacedPlan]):
    """A placement, as a plan sees it."""

    def of_plan(self, plan: Plan) -> _PlacedPlan: ...


@dataclass(frozen=True)
class PlannedLayer:
    """One layer of a tree.

    Attributes:
        path: its path in the tree; empty for the root.
        layer: the name of its class.
        name: its own name.
        made_at: the line that creates it; None for a file.
        defined_at: the line that defines its class; None if it was not looked up.
        trainable: whether its flag is set; False if it is frozen.
        needs: the names of the inputs of its `call`, with a star where any number is taken; None
            if its class defines none.
        optional: the names of the inputs that may be left out.
        method: the method of its first call; empty if it is not called.
        inputs: the specs of its first call, by the names of the inputs.
        outputs: a pytree of the specs of the outputs of its first call.
        built_at: the line that requested its build; None if it is not built.
        declares: whether its class has a `build` method, which may declare weights.
        outside: whether it is called on data before programs, as layers on text are.
        copies: the number of equal layers that it stands for.
    """

    path: str
    layer: str
    name: str
    made_at: Site | None
    defined_at: Site | None = None
    trainable: bool = True
    needs: tuple[str, ...] | None = ()
    optional: tuple[str, ...] = ()
    method: str = ""
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: Any = None
    built_at: Site | None = None
    declares: bool = False
    outside: bool = False
    copies: int = 1


@dataclass(frozen=True)
class PlannedVariable:
    """One weight of a plan.

    Attributes:
        path: its path in the tree.
        shape: the sizes of its axes.
        dtype: name of its dtype.
        initializer: description of its initializer.
        trainable: whether training updates it; None if a file does not tell.
        nbytes: its size in bytes.
        declared_at: the line that declares it; None for a file.
        layer: the class of the layer that holds it: that of :mod:`lamina.layers` for a subclass.
        stacked: the number of first axes that stack the weights of equal layers.
        owner: the path of the layer that holds it.
        is_weight: whether it counts as a weight; the state of random numbers does not.
        why: what the size of each axis follows from, in words; empty if it was not examined.
        dims: the number of the dim of each axis; the same number in a plan is the same dim. It is
            -1 for axes of size 1, and empty if the plan was not examined.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    initializer: str
    trainable: bool | None
    nbytes: int
    declared_at: Site | None
    layer: str = ""
    stacked: int = 0
    owner: str = ""
    is_weight: bool = True
    why: tuple[str, ...] = ()
    dims: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The number of scalars."""
        count = 1
        for dim in self.shape:
            count *= dim
        return count


@dataclass
class PlannedCall:
    """One call of a layer in a plan.

    Attributes:
        path: path of the layer.
        layer: name of its class.
        inputs: the specs of its inputs; unknown dims are None.
        outputs: a pytree of the specs of its outputs.
        called_at: the line that calls it.
        method: the name of the method.
        caller: the index of the call that makes this one; -1 (default) for a call of the root.
        sources: the indices of the calls of the same caller whose outputs reach its inputs,
            directly or through array operations; the caller's index if the caller's inputs do.
            Empty if the plan was not examined, as are the following.
        caller_inputs: the positions of the caller's inputs that do so, among its arrays.
        results: the indices of the calls within it whose outputs reach its outputs; its own if
            its inputs reach them without a call between.
        flops: the number of floating-point operations, with those of the calls within it, where
            unknown dims have the size 1; None if it was not examined.
        input_dims: the numbers of the dims of each array of the inputs; see
            :attr:`PlannedVariable.dims`.
        output_dims: the same of the outputs.
    """

    path: str
    layer: str
    inputs: Arguments
    outputs: Any
    called_at: Site
    method: str = "call"
    caller: int = -1
    sources: tuple[int, ...] = ()
    results: tuple[int, ...] = ()
    flops: int | None = None
    input_dims: tuple[tuple[int, ...], ...] = ()
    output_dims: tuple[tuple[int, ...], ...] = ()
    caller_inputs: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlanDiff:
    """The differences of two plans, by path; False as a bool if there are none.

    Attributes:
        added: the weights that only the second plan has.
        removed: the weights that only the first plan has.
        changed: pairs of weights with the same path that differ in shape, dtype, initializer or
            trainability.
    """

    added: tuple[PlannedVariable, ...]
    removed: tuple[PlannedVariable, ...]
    changed: tuple[tuple[PlannedVariable, PlannedVariable], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        lines = [f"+ {_text(v)}" for v in self.added]
        lines += [f"- {_text(v)}" for v in self.removed]
        lines += [f"~ {_text(a)} -> {b.shape} {shown(b.dtype)}" for a, b in self.changed]
        return "\n".join(lines) or "no change"


@dataclass(frozen=True)
class Plan:
    """The result of tracing a model on specs: all weights and calls, without any allocation.

    ``layer.plan(...)`` returns it; ``print(plan)`` shows it.

    Args:
        variables: tuple, the weights of the tree, in order. Each has ``path``, ``shape``,
            ``dtype``, ``initializer``, ``trainable``, ``nbytes`` (size in bytes) and
            ``declared_at``.
        calls: tuple, the calls of layers, in the order in which they begin. Each has ``path``,
            ``layer`` (class name), ``inputs`` and ``outputs`` (specs), and ``called_at``.
        unused: tuple of str, paths of layers in the tree that no call reached.
        aliases: dict, the other paths of shared layers and variables, with the first path of each.
        external: tuple of str, frozen models outside of the tree that it uses.
        notes: tuple of str, errors of the other training mode; empty by default.
        layers: tuple, the layers of the tree, in order. Each has ``path``, ``layer`` (class name),
            ``name``, ``made_at``, ``inputs`` and ``outputs`` of its first call, and more.

    >>> from lamina import layers
    >>> plan = layers.Dense(4).plan((None, 3))
    >>> print(plan)
    Plan(2 variables, 16 parameters, 1 calls)
      kernel  (3, 4)  float32  glorot_uniform
      bias  (4,)  float32  zeros
    """

    variables: tuple[PlannedVariable, ...]
    calls: tuple[PlannedCall, ...]
    unused: tuple[str, ...]
    aliases: dict[str, str]
    external: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    layers: tuple[PlannedLayer, ...] = field(default=())

    def count_params(self) -> int:
        """Return the number of scalars in all weights."""
        return sum(variable.size for variable in self.variables)

    @property
    def nbytes(self) -> int:
        """The size of all weights in bytes."""
        return sum(variable.nbytes for variable in self.variables)

    def diff(self, other: Plan) -> PlanDiff:
        """Compare the weights of two plans by path.

        Args:
            other: the plan to compare with.

        Returns:
            An object with the tuples ``added`` (weights that only `other` has), ``removed`` and
            ``changed``; it is False as a bool if there are no differences.

        >>> from lamina import layers
        >>> print(layers.Dense(4).plan((None, 3)).diff(layers.Dense(5).plan((None, 3))))
        ~ kernel (3, 4) float32 -> (3, 5) float32
        ~ bias (4,) float32 -> (5,) float32
        """
        mine = {variable.path: variable for variable in self.variables}
        theirs = {variable.path: variable for variable in other.variables}
        both = [path for path in mine if path in theirs]
        return PlanDiff(
            added=tuple(theirs[path] for path in theirs if path not in mine),
            removed=tuple(mine[path] for path in mine if path not in theirs),
            changed=tuple((mine[p], theirs[p]) for p in both if _kind(mine[p]) != _kind(theirs[p])),
        )

    def place(self, placement: _Placer[_PlacedPlan]) -> _PlacedPlan:
        """Show where a placement stores each weight, before anything is allocated.

        Args:
            placement: a :class:`lamina.distribute.Placement`.

        Returns:
            A :class:`lamina.distribute.PlacedPlan`: the bytes for each device, what is replicated
            and why, what does not divide, and the estimated traffic of a step.

        Raises:
            InputError: it is not a placement; or a rule matches no weight, or names an axis that
                the mesh does not have.

        >>> from lamina import layers
        >>> from lamina.distribute import Placement
        >>> placed = layers.Dense(4).plan((None, 3)).place(Placement.fully_sharded())
        >>> placed.nbytes
        64
        """
        if isinstance(placement, type) or not hasattr(placement, "of_plan"):
            raise InputError(errors.not_a_placement(placement))
        return placement.of_plan(self)

    def to_json(self) -> str:
        """Return the plan as JSON.

        Returns:
            str, an object with the attributes of the plan.
        """
        return encode(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan from the JSON of :meth:`to_json`.

        Args:
            text: the JSON.

        Returns:
            A plan. Its specs have lists in place of tuples.

        Raises:
            FileFormatError: it is not the JSON of a plan.

        >>> from lamina import layers
        >>> Plan.from_json(layers.Dense(4).plan((None, 3)).to_json())
        Plan(2 variables, 16 parameters, 1 calls)
        """
        return decode(text, cls, _check)

    def _repr_html_(self) -> str:
        """Return the page of :mod:`lamina.reports.page`, for a notebook."""
        return page.notebook_html(self)

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.variables)} variables, {self.count_params():,} parameters, "
            f"{len(self.calls)} calls)"
        )

    def __str__(self) -> str:
        lines = [repr(self)]
        lines += [
            f"  {shown(v.path)}  {v.shape}  {shown(v.dtype)}  {shown(v.initializer)}"
            + ("  (not trainable)" if v.trainable is False else "")
            for v in self.variables
        ]
        lines += [f"  unused: {shown(path)}" for path in self.unused]
        lines += [f"  {shown(alias)} is {shown(path)}" for alias, path in self.aliases.items()]
        lines += [f"  external: {shown(name)}" for name in self.external]
        return "\n".join([*lines, *(f"  note: {shown(note, 4000)}" for note in self.notes)])


def _kind(variable: PlannedVariable) -> tuple[Any, ...]:
    return (variable.shape, variable.dtype, variable.initializer, variable.trainable)


def _text(variable: PlannedVariable) -> str:
    return f"{shown(variable.path)} {variable.shape} {shown(variable.dtype)}"


def _check(plan: Plan) -> None:
    """Check that the root is the first layer, that calls refer to calls, and callers come first."""
    if plan.layers and plan.layers[0].path:
        raise ValueError("the first layer is not the root")
    every = range(len(plan.calls))
    for index, call in enumerate(plan.calls):
        if not -1 <= call.caller < index:
            raise ValueError(f"call {index} is made by call {call.caller}")
        wrong = [at for at in (*call.sources, *call.results) if at != -1 and at not in every]
        if wrong:
            raise ValueError(f"call {index} refers to call {wrong[0]}")
