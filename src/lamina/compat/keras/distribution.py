"""`keras.distribution`: Lamina's placements under Keras's names."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import jax
from jax.sharding import PartitionSpec

import lamina
from lamina.compat.keras.layouts import DeviceMesh, LayoutMap, TensorLayout, list_devices
from lamina.compat.keras.missing import missing
from lamina.compat.keras.utils.arguments import wrong
from lamina.distribute import Placement
from lamina.distribute.partitions import Choice
from lamina.models.symbol import Symbol

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
]

_jax: Any = jax


def get_device_count(device_type: str | None = None) -> int:
    """The number of devices of all processes.

    Args:
        device_type: see :func:`list_devices`.
    """
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Connect this process to the others of a program; see :func:`lamina.distribute.initialize`.

    Args:
        job_addresses: the address of the first process; others after commas have no effect.
            Default None: ``$KERAS_DISTRIBUTION_JOB_ADDRESSES``, or as Lamina finds it.
        num_processes: Default None: ``$KERAS_DISTRIBUTION_NUM_PROCESSES``, likewise.
        process_id: Default None: ``$KERAS_DISTRIBUTION_PROCESS_ID``, likewise.
    """
    given: list[Any] = [
        os.environ.get(f"KERAS_DISTRIBUTION_{name}") if value is None else value
        for name, value in (
            ("JOB_ADDRESSES", job_addresses),
            ("NUM_PROCESSES", num_processes),
            ("PROCESS_ID", process_id),
        )
    ]
    address = None if given[0] is None else str(given[0]).partition(",")[0]
    lamina.distribute.initialize(address, *given[1:])


class _Distribution:
    """What is common to the distributions.

    Attributes:
        device_mesh: the mesh.
        batch_dim_name: the axis of the mesh that divides batches.
        auto_shard_dataset: has no effect.
    """

    def __init__(
        self, device_mesh: DeviceMesh, batch_dim_name: str, auto_shard_dataset: bool
    ) -> None:
        self.device_mesh, self.batch_dim_name = device_mesh, batch_dim_name
        self.auto_shard_dataset = auto_shard_dataset

    @property
    def num_processes(self) -> int:
        """The number of processes."""
        return jax.process_count()

    @property
    def num_model_replicas(self) -> int:
        """The number of parts of a batch."""
        return self.device_mesh.backend_mesh.shape[self.batch_dim_name]

    def placement(self) -> Placement:
        """The placement of Lamina."""
        raise NotImplementedError

    def get_data_layout(self, data_shape: Sequence[Any]) -> TensorLayout:
        """The layout of a batch.

        Args:
            data_shape: its shape.
        """
        axes = [self.batch_dim_name, *[None] * (len(data_shape) - 1)]
        return TensorLayout(axes, self.device_mesh)

    def get_variable_layout(self, variable: lamina.Variable) -> TensorLayout:
        """The layout of a variable.

        Args:
            variable: the variable.
        """
        found = self.get_tensor_layout(variable.path or variable.name)
        return found or TensorLayout([None] * len(variable.shape), self.device_mesh)

    def get_tensor_layout(self, path: str) -> Any:
        """The layout at a path; None for that of the default.

        Args:
            path: the path.
        """
        return None

    def distribute_dataset(self, dataset: Any) -> Any:
        """The data set itself: `fit` takes the rows of this process.

        Args:
            dataset: the data set.
        """
        return dataset

    @contextlib.contextmanager
    def scope(self) -> Generator[None]:
        """A `with` block in which models are distributed."""
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(_Distribution):
    """All weights on each device, and batches divided; see :class:`lamina.distribute.Placement`.

    Args:
        device_mesh: the mesh; its first axis divides batches. Default None: by `devices`.
        devices: the devices, as `list_devices` names them. Default None: all.
        auto_shard_dataset: has no effect: `fit` takes the rows of this process.

    >>> set_distribution(DataParallel(devices=["cpu:0"]))
    >>> distribution()
    <DataParallel device_mesh=<DeviceMesh shape=(1,), axis_names=['batch']>>
    >>> set_distribution(None)
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Sequence[str] | None = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        if device_mesh is None:
            named = list_devices() if devices is None else devices
            device_mesh = DeviceMesh((len(named),), ["batch"], named)
        super().__init__(device_mesh, device_mesh.axis_names[0], auto_shard_dataset)

    def placement(self) -> Placement:
        """The placement of Lamina."""
        return Placement.data_parallel(self.device_mesh.backend_mesh, self.batch_dim_name)


class ModelParallel(_Distribution):
    """Weights divided by a :class:`LayoutMap`, and batches divided.

    Args:
        layout_map: the layouts of weights. Those without one are on each device.
        batch_dim_name: the axis of the mesh that divides batches. Default None: the first.
        auto_shard_dataset: has no effect: `fit` takes the rows of this process.
        **kwargs: `device_mesh`, without effect: it is that of the map.

    Raises:
        InputError: there is no map.

    >>> mesh = DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])
    >>> layouts = LayoutMap(mesh)
    >>> layouts[".*kernel"] = (None, "model")
    >>> layer = lamina.layers.Dense(2)
    >>> with ModelParallel(layout_map=layouts).scope():
    ...     layer.build((None, 3))
    >>> tuple(layer.kernel.value.sharding.spec)
    (None, 'model')
    """

    def __init__(
        self,
        *,
        layout_map: LayoutMap | None = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layout_map, LayoutMap):
            raise wrong(
                "ModelParallel has no layouts.", "a LayoutMap", repr(layout_map), "Pass layout_map."
            )
        mesh = layout_map.device_mesh
        super().__init__(mesh, batch_dim_name or mesh.axis_names[0], auto_shard_dataset)
        self._layouts = layout_map

    def placement(self) -> Placement:
        """The placement of Lamina."""
        return _MappedPlacement(self._layouts, self.batch_dim_name)

    def get_tensor_layout(self, path: str) -> Any:
        return self._layouts[path]


class _MappedPlacement(Placement):
    """A placement by a map of layouts."""

    def __init__(self, layouts: LayoutMap, batch: str) -> None:
        super().__init__(layouts.device_mesh.backend_mesh, (), batch)
        self._layouts = layouts

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def choices(self, plan: lamina.Plan, prefix: str = "") -> dict[str, Choice]:
        """The partition of each weight of a plan, by path."""
        forms = _forms(plan, prefix)
        keys = {path: self._layouts.key_of(paths) for path, paths in forms.items()}
        unused = sorted(set(self._layouts) - set(keys.values()))
        if unused and not prefix:
            warnings.warn(
                f"Keys of the LayoutMap match no weight: {', '.join(unused)}.", stacklevel=2
            )
        return {
            path: Choice(PartitionSpec(), "no key matches")
            if key is None
            else Choice(PartitionSpec(*self._layouts[key].axes), f"key {key!r}")
            for path, key in keys.items()
        }


def _forms(plan: lamina.Plan, prefix: str) -> dict[str, list[str]]:
    """For each weight its path, and the path of the names of layers, as Keras writes it."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for layer in plan.layers:
        number = counts[layer.name]
        counts[layer.name] += 1
        names[layer.path] = layer.name if number == 0 else f"{layer.name}_{number}"
    forms: dict[str, list[str]] = {}
    for one in plan.variables:
        parts = one.path.split(".")
        above = [".".join(parts[:end]) for end in range(len(parts))]
        named = "/".join([*(names[path] for path in above if path and path in names), parts[-1]])
        full = f"{prefix}.{one.path}" if prefix else one.path
        forms[one.path] = [full, full.replace(".", "/"), named, f"{names.get('', '')}/{named}"]
    return forms


def distribute_tensor(tensor: Any, layout: Any) -> Any:
    """Store an array as a layout says, also in a compiled call.

    Args:
        tensor: the array. A symbol is returned as it is.
        layout: a :class:`TensorLayout`, or a sharding of JAX.
    """
    if isinstance(tensor, Symbol):
        return tensor
    sharding = layout.backend_layout if isinstance(layout, TensorLayout) else layout
    if isinstance(tensor, _jax.core.Tracer):
        return _jax.lax.with_sharding_constraint(tensor, sharding)
    return _jax.device_put(tensor, sharding)


class _Current:
    distribution: _Distribution | None = None
    placement: Placement | None = None


def distribution() -> Any:
    """The distribution that :func:`set_distribution` set; None if there is none."""
    return _Current.distribution


def set_distribution(value: Any) -> None:
    """Distribute the models that are built from now on.

    Args:
        value: a :class:`DataParallel` or :class:`ModelParallel`; None for no distribution.
    """
    placement = None if value is None else value.placement()
    if _Current.placement is not None:
        _Current.placement.__exit__()
    if placement is not None:
        placement.__enter__()
    _Current.distribution, _Current.placement = value, placement


def __getattr__(name: str) -> Any:
    raise missing("keras.distribution", name, __all__)
