"""Placements: on which devices of a mesh each weight of a plan, and each batch, is stored."""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Self, cast

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from lamina.core.base.host_memory import is_on_host
from lamina.core.base.pytrees import leaves_of, map_tree
from lamina.core.building.placement import PLACEMENTS
from lamina.core.building.plan import Plan, PlannedVariable
from lamina.distribute import partitions
from lamina.distribute.partitions import Choice, Strategy, names_in
from lamina.distribute.placed_plan import PlacedPlan, placed_plan
from lamina.distribute.rules import (
    Rule,
    as_patterns,
    as_rules,
    check_patterns,
    first_match,
    matches,
    names_axes,
)
from lamina.errors import InputError, explain

__all__ = ["Placement"]


class Placement:
    """The devices of a mesh on which weights and batches are stored.

    Each weight is divided by the first rule whose pattern matches its path, and is replicated if
    none does. Training divides each batch, adds up the gradients of all parts, and stores the
    optimizer's state as the weights. Calls give the same numbers as on one device, up to the order
    of sums.

    In a `with` block, a placement is that of all builds: by calls, `build`, `fit` and
    `lamina.load`.

    Args:
        mesh: a ``jax.sharding.Mesh``, whose axes have names; or a ``jax.sharding.AbstractMesh``,
            for plans on devices that this machine does not have.
        rules: pairs of a pattern and a ``PartitionSpec``. In a pattern, ``*`` is any text without a
            dot, ``?`` one character, and ``**`` any number of names. None by default.
        batch: the axis of the mesh, or a tuple of axes, that divides the examples of a batch;
            ``"data"`` by default. None does not divide it.
        remat: patterns of the paths of layers whose activations are computed again in the backward
            pass, as by :func:`lamina.checkpoint`; none by default.

    Raises:
        InputError: the mesh is none, lacks an axis that is named, or a rule is no such pair.

    >>> import jax
    >>> from jax.sharding import PartitionSpec as P
    >>> from lamina import layers
    >>> mesh = jax.make_mesh((1, 1), ("data", "model"))
    >>> placement = Placement(mesh, [("**.kernel", P(None, "model"))])
    >>> layer = layers.Dense(4)
    >>> layer.build((None, 3), placement=placement)
    >>> tuple(layer.kernel.value.sharding.spec)
    (None, 'model')
    """

    def __init__(
        self,
        mesh: Mesh | AbstractMesh,
        rules: Iterable[tuple[str, Any]] = (),
        batch: str | tuple[str, ...] | None = "data",
        *,
        remat: Iterable[str] = (),
    ) -> None:
        self.mesh = _automatic(mesh)
        self.rules = as_rules(rules)
        self.batch = _batch_axes(self.mesh, batch)
        self.remat = as_patterns("The patterns of remat", remat)
        self._strategy: Strategy | None = None
        self._kind = ""
        for rule in self.rules:
            self._check_axes(f"The rule {rule.pattern!r}", rule.partition)

    @classmethod
    def data_parallel(
        cls,
        mesh: Mesh | AbstractMesh | None = None,
        batch: Any = "data",
        *,
        remat: Iterable[str] = (),
    ) -> Self:
        """Return a placement that replicates all weights and divides batches.

        Args:
            mesh: the mesh; None (default) for all devices on one axis, ``"data"``.
            batch: as in the constructor.
            remat: as in the constructor.

        >>> Placement.data_parallel()
        Placement.data_parallel({'data': 1})
        """
        return cls._ready(mesh, (), batch, remat, partitions.replicated, "data_parallel")

    @classmethod
    def fully_sharded(
        cls,
        mesh: Mesh | AbstractMesh | None = None,
        rules: Iterable[tuple[str, Any]] = (),
        batch: Any = "data",
        *,
        remat: Iterable[str] = (),
    ) -> Self:
        """Return a placement that divides batches, weights and the optimizer's state.

        Each weight is split along its largest axis that the number of devices divides.

        Args:
            mesh: the mesh; None (default) for all devices on one axis, ``"data"``.
            rules: for weights that are placed otherwise; none by default.
            batch: as in the constructor; the weights are split over the same axes.
            remat: as in the constructor.

        >>> Placement.fully_sharded()
        Placement.fully_sharded({'data': 1})
        """
        return cls._ready(mesh, rules, batch, remat, partitions.fully_sharded, "fully_sharded")

    @classmethod
    def tensor_parallel(
        cls,
        mesh: Mesh | AbstractMesh,
        rules: Iterable[tuple[str, Any]] = (),
        batch: Any = "data",
        *,
        remat: Iterable[str] = (),
    ) -> Self:
        """Return a placement that splits products over the axes that do not divide the batch.

        Dense layers are split along their outputs or inputs by turns, attention along its heads,
        embeddings along their rows, and convolutions along their filters.

        Args:
            mesh: the mesh, with an axis besides that of the batch, such as ``"model"``.
            rules: for weights that are placed otherwise; none by default.
            batch: as in the constructor; it may be absent from the mesh.
            remat: as in the constructor.

        Raises:
            InputError: all axes divide the batch.

        >>> Placement.tensor_parallel(jax.make_mesh((1, 1), ("data", "model")))
        Placement.tensor_parallel({'data': 1, 'model': 1})
        """
        mesh = _automatic(mesh)  # there is no default
        if batch == "data" and "data" not in mesh.axis_names:
            batch = None
        made = cls._ready(mesh, rules, batch, remat, partitions.tensor_parallel, "tensor_parallel")
        if set(made.batch) == set(made.mesh.axis_names):
            raise InputError(
                explain(
                    "Tensor parallelism needs an axis of the mesh that does not divide the batch.",
                    expected='such as jax.make_mesh((2, 4), ("data", "model"))',
                    received=f"a mesh of {dict(made.mesh.shape)}, with batch={batch!r}",
                    remedy="Add an axis to the mesh, or use Placement.fully_sharded.",
                )
            )
        return made

    @classmethod
    def auto(
        cls,
        mesh: Mesh | AbstractMesh | None = None,
        rules: Iterable[tuple[str, Any]] = (),
        batch: Any = "data",
        *,
        remat: Iterable[str] = (),
    ) -> Self:
        """Return a placement that is derived from the plan of a model.

        Products are split over the axes of the mesh that do not divide the batch, as in
        :meth:`tensor_parallel`; each large weight is then split over the axes of the batch as well,
        as in :meth:`fully_sharded`. Small weights are replicated.

        Args:
            mesh: the mesh; None (default) for all devices on one axis, ``"data"``.
            rules: for weights that are placed otherwise; none by default.
            batch: as in the constructor. If the mesh has no axis ``"data"``, the first one.
            remat: as in the constructor.

        >>> Placement.auto()
        Placement.auto({'data': 1})
        """
        if mesh is not None and batch == "data":
            names: tuple[str, ...] = getattr(mesh, "axis_names", ("data",))
            batch = "data" if "data" in names or not names else names[0]
        return cls._ready(mesh, rules, batch, remat, partitions.automatic, "auto")

    @classmethod
    def _ready(
        cls,
        mesh: Mesh | AbstractMesh | None,
        rules: Any,
        batch: Any,
        remat: Iterable[str],
        strategy: Strategy,
        kind: str,
    ) -> Self:
        if mesh is None:
            mesh = Mesh(np.array(cast(Any, jax.devices())), ("data",))
        made = cls(mesh, rules, batch, remat=remat)
        made._strategy, made._kind = strategy, kind
        return made

    def __enter__(self) -> Self:
        PLACEMENTS.set((*PLACEMENTS.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        PLACEMENTS.set(PLACEMENTS.get()[:-1])

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Placement) and self._parts == other._parts)

    def __hash__(self) -> int:
        return hash(self._parts)

    @property
    def _parts(self) -> tuple[Any, ...]:
        kind = type(self), self._strategy
        return (*kind, self.mesh, self.rules, self.batch, self.remat)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # meshes hold devices, of which there is one each

    def __reduce__(self) -> tuple[Any, ...]:
        return _nowhere, ()  # devices belong to a process: an unpickled model has no placement

    def __repr__(self) -> str:
        kind = f"Placement.{self._kind}" if self._kind else "Placement"
        rules = f", {len(self.rules)} rules" if self.rules else ""
        return f"{kind}({dict(self.mesh.shape)}{rules})"

    def of_plan(self, plan: Plan) -> PlacedPlan:
        """Return where the weights of a plan are stored; see :meth:`lamina.Plan.place`."""
        return placed_plan(plan, self.choices(plan), dict(self.mesh.shape), self.batch)

    def choices(self, plan: Plan, prefix: str = "") -> dict[str, Choice]:
        """Return the partition of each weight of a plan, by path, with the reason for it.

        Args:
            plan: the plan.
            prefix: the path of the plan's root in a larger tree; empty (default) if it is the root.

        Raises:
            InputError: a rule matches no weight, or has more axes than one that it matches.
        """
        names = {one.path: f"{prefix}.{one.path}" if prefix else one.path for one in plan.variables}
        if not prefix:
            check_patterns("rule", [rule.pattern for rule in self.rules], list(names.values()))
            check_patterns("pattern of remat", self.remat, _layer_paths(plan))
        chosen: dict[str, Choice] = {}
        if self._strategy is not None:
            chosen = self._strategy(plan, dict(self.mesh.shape), self.batch)
        for one in plan.variables:
            rule = first_match(self.rules, names[one.path])
            if rule is not None:
                _check_rank(rule, one)
                chosen[one.path] = Choice(rule.partition, f"rule {rule.pattern!r}")
            elif one.path not in chosen:
                chosen[one.path] = Choice(PartitionSpec(), "no rule matches")
        return chosen

    def shardings(self, plan: Plan, prefix: str = "") -> Mapping[str, NamedSharding]:
        """Return the sharding of each weight of a plan, by path.

        Args:
            plan: the plan.
            prefix: as in :meth:`choices`.

        Raises:
            InputError: as :meth:`choices`, or an axis of a weight cannot be divided, or the mesh of
                ``jax.set_mesh`` has explicit axes.
        """
        _check_context()
        choices = self.choices(plan, prefix)
        placed = placed_plan(plan, choices, dict(self.mesh.shape), self.batch)
        placed.check()
        if isinstance(self.mesh, AbstractMesh):
            raise InputError(
                explain(
                    "The mesh of the placement has no devices.",
                    expected="a jax.sharding.Mesh",
                    received="a jax.sharding.AbstractMesh, which serves plans only",
                    remedy="Make the mesh of devices: jax.make_mesh(sizes, names).",
                )
            )
        return {path: NamedSharding(self.mesh, one.partition) for path, one in choices.items()}

    def rematerializes(self, path: str) -> bool:
        """Return whether the activations of the layer at a path are computed again."""
        return any(matches(pattern, path) for pattern in self.remat)

    def constrained(self, array: jax.Array, partition: tuple[Any, ...]) -> jax.Array:
        """Divide an array of a call over the devices; see :meth:`lamina.Layer.constrain`.

        Axes that cannot be divided are replicated.

        Raises:
            InputError: the mesh lacks an axis, or the array has fewer axes.
        """
        self._check_axes("The partition of an activation", PartitionSpec(*partition))
        if len(partition) > array.ndim:
            raise InputError(
                explain(
                    "The partition of an activation has more axes than the array.",
                    expected=f"at most {array.ndim} entries, for shape {array.shape}",
                    received=str(partition),
                    remedy="Pass at most one entry for each axis of the array.",
                )
            )
        kept = [
            entry if self._divides(entry, size) else None
            for entry, size in zip(partition, array.shape, strict=False)
        ]
        return cast(Any, jax.lax.with_sharding_constraint)(array, self.sharding(*kept))

    def _divides(self, entry: Any, size: Any) -> bool:
        parts = math.prod(self.mesh.shape[name] for name in names_in(entry))
        return isinstance(size, int) and size % parts == 0

    @property
    def batch_parts(self) -> int:
        """The number of parts that a batch is divided into."""
        return math.prod(self.mesh.shape[axis] for axis in self.batch)

    def sharding(self, *partition: Any) -> NamedSharding:
        """Return a sharding on the mesh.

        Args:
            *partition: for each axis of an array the name of an axis of the mesh, a tuple of names,
                or None.

        >>> tuple(Placement.data_parallel().sharding("data").spec)
        ('data',)
        """
        return NamedSharding(self.mesh, PartitionSpec(*partition))

    def gathered(self, array: Any, partition: PartitionSpec) -> Any:
        """Return an array in a program, not split over the axes that divide batches.

        Args:
            array: of a weight.
            partition: of the weight.
        """
        kept = [_without(entry, self.batch) for entry in partition]
        if kept == list(partition):
            return array
        return cast(Any, jax.lax.with_sharding_constraint)(array, self.sharding(*kept))

    def check_batch(self, batch: Any) -> None:
        """Warn if no array of a batch can be divided over the devices."""
        sizes = [leaf.shape[0] for leaf in leaves_of(batch) if getattr(leaf, "ndim", 0)]
        if self.batch_parts == 1 or not sizes or any(n % self.batch_parts == 0 for n in sizes):
            return
        text = explain(
            "Batches are not divided: each device computes all examples.",
            expected=f"a batch size that {self.batch_parts} divides, for {self!r}",
            received=f"batches of {sizes[0]} examples",
            remedy="Pass another batch_size.",
        )
        warnings.warn(text, UserWarning, stacklevel=2)

    def place_batch(self, batch: Any) -> Any:
        """Divide the examples of a batch over the devices.

        Each process passes the whole batch, and copies its own rows to its devices. An array whose
        first axis cannot be divided, as that of a last batch, is replicated.

        Args:
            batch: a pytree of arrays ``[examples, ...]`` and other objects.
        """
        return map_tree(self._place_leaf, batch)

    def _place_leaf(self, leaf: Any) -> Any:
        if not hasattr(leaf, "dtype") or not hasattr(leaf, "shape"):
            return leaf
        divides = leaf.ndim and leaf.shape[0] and leaf.shape[0] % self.batch_parts == 0
        place = self.sharding(self.batch) if divides and self.batch else self.sharding()
        if isinstance(leaf, jax.Array) and leaf.sharding.is_equivalent_to(place, leaf.ndim):
            return leaf
        if getattr(leaf.dtype, "kind", "") in ("O", "S", "U"):
            raise InputError(
                explain(
                    "A batch has an array of strings or objects, which devices cannot hold.",
                    expected="arrays of numbers",
                    received=f"dtype {leaf.dtype}, shape {leaf.shape}",
                    remedy="Convert it to numbers first, such as token ids.",
                )
            )
        if is_on_host(leaf) and place.num_devices > 1:
            leaf = np.asarray(leaf)  # no copy; JAX would slice it by a program for each part
        return _copied_to(place, leaf)

    @contextlib.contextmanager
    def staging(self) -> Generator[None]:
        """In a `with` block, make arrays in host memory, not on the first device.

        From there, :meth:`place_batch` copies each part to its device.
        """
        try:
            host = cast(Any, jax).local_devices(backend="cpu")[0]
        except RuntimeError:  # JAX runs without its CPU backend
            yield
            return
        with jax.default_device(host):
            yield

    def replicate(self, tree: Any) -> Any:
        """Copy all arrays of a pytree to each device of the mesh."""
        return map_tree(functools.partial(_copied_to, self.sharding()), tree)

    def _check_axes(self, what: str, partition: PartitionSpec) -> None:
        entries = partition if names_axes(partition) else ()
        named = [name for entry in entries for name in names_in(entry)]
        known = all(name in self.mesh.axis_names for name in named)
        if not (known and names_axes(partition) and len(set(named)) == len(named)):
            raise InputError(
                explain(
                    f"{what} does not fit the mesh.",
                    expected=f"names of axes, {self.mesh.axis_names}, each at most once",
                    received=str(partition),
                    remedy="Change the partition, or make a mesh with these axes.",
                )
            )


def _copied_to(place: NamedSharding, array: Any) -> Any:
    """Copy an array that each process has to devices; each process copies its own parts."""
    if jax.process_count() == 1:
        return jax.device_put(array, place)
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, place, host.__getitem__)


def _layer_paths(plan: Plan) -> list[str]:
    """Return the paths of all layers of a plan below its root."""
    paths = dict.fromkeys(call.path for call in plan.calls)
    for variable in plan.variables:
        names = variable.path.split(".")
        paths |= dict.fromkeys(".".join(names[:end]) for end in range(1, len(names)))
    return [path for path in paths if path]


def _without(entry: Any, names: tuple[str, ...]) -> Any:
    """Return an entry of a partition without some axes of the mesh."""
    rest = tuple(name for name in names_in(entry) if name not in names)
    return entry if len(rest) == len(names_in(entry)) else rest or None


def _check_rank(rule: Rule, variable: PlannedVariable) -> None:
    if len(rule.partition) > len(variable.shape):
        raise InputError(
            explain(
                f"The rule {rule.pattern!r} has more axes than {variable.path!r}.",
                where=f"declared at {variable.declared_at}",
                expected=f"at most {len(variable.shape)} entries, for shape {variable.shape}",
                received=str(rule.partition),
                remedy="Write a rule for this weight before it, or shorten the partition.",
            )
        )


def _automatic(mesh: Any) -> Mesh | AbstractMesh:
    """Return a mesh on which XLA divides the operations of a program, as the weights demand it."""
    if isinstance(mesh, AbstractMesh):
        return mesh
    if not isinstance(mesh, Mesh):
        raise InputError(
            explain(
                "A placement needs a mesh of devices.",
                expected='a jax.sharding.Mesh, such as jax.make_mesh((8,), ("data",))',
                received=f"{type(mesh).__name__}",
                remedy="Pass a mesh, or use Placement.data_parallel() for all devices.",
            )
        )
    types = (AxisType.Auto,) * len(mesh.axis_names)
    return Mesh(mesh.devices, mesh.axis_names, axis_types=types)


def _check_context() -> None:
    """Check that arrays on automatic axes can be used in the present context of JAX."""
    context: Any = cast(Any, jax.sharding).get_abstract_mesh()
    if AxisType.Explicit in context.axis_types:
        raise InputError(
            explain(
                "A placement cannot be used within a mesh of explicit axes.",
                expected="no jax.set_mesh, or a mesh whose axes are AxisType.Auto",
                received=f"jax.set_mesh with {context.axis_types}",
                remedy="Leave jax.set_mesh out: the placement has its own mesh.",
            )
        )


def _batch_axes(mesh: Mesh | AbstractMesh, batch: Any) -> tuple[str, ...]:
    several = isinstance(batch, tuple | list)
    axes = () if batch is None else tuple(cast("tuple[Any, ...]", batch)) if several else (batch,)
    unknown = [axis for axis in axes if axis not in mesh.axis_names]
    if unknown or len(set(axes)) < len(axes):
        problem = f"no axis {unknown[0]!r}" if unknown else "no two axes of one name"
        raise InputError(
            explain(
                f"The mesh has {problem} for the batch.",
                expected=f"one of {mesh.axis_names}, a tuple of them, or None",
                received=f"batch={batch!r}",
                remedy="Name the axis that divides batches, or pass batch=None.",
            )
        )
    return axes


def _nowhere() -> None:
    """The placement of an unpickled model."""
