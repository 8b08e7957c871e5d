"""Meshes of devices, and where arrays are stored on them."""

from __future__ import annotations

import collections.abc
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lamina.compat.keras.utils.arguments import wrong

__all__ = ["DeviceMesh", "LayoutMap", "TensorLayout", "list_devices"]

_jax: Any = jax


def list_devices(device_type: str | None = None) -> list[str]:
    """The devices of all processes, such as ``"cpu:0"``.

    Args:
        device_type: ``"cpu"``, ``"gpu"`` or ``"tpu"``. Default None: the default of JAX.

    >>> list_devices("cpu")[0]
    'cpu:0'
    """
    found = _jax.devices(None if device_type is None else device_type.lower())
    return [f"{one.platform}:{one.id}" for one in found]


class DeviceMesh:
    """Devices in a grid whose axes have names.

    Args:
        shape: the sizes of the axes.
        axis_names: their names.
        devices: the devices as :func:`list_devices` names them. Default None: all.

    Raises:
        InputError: the sizes do not fit the names or the devices.

    >>> DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"]).backend_mesh.axis_names
    ('batch', 'model')
    """

    def __init__(
        self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None
    ) -> None:
        given: Any = np.array(list_devices() if devices is None else devices)
        if not shape or len(shape) != len(axis_names) or math.prod(shape) != given.size:
            raise wrong(
                "The shape of a DeviceMesh does not fit its names or devices.",
                "a size for each name, and as many devices as their product",
                f"shape={shape}, axis_names={axis_names}, {given.size} devices",
                "Pass shape=(2, 4), axis_names=['batch', 'model'] for eight devices.",
            )
        self.shape, self.axis_names = shape, axis_names
        self.devices = given.reshape(tuple(shape))
        self._mesh: Mesh | None = None

    @property
    def backend_mesh(self) -> Mesh:
        """The mesh of JAX."""
        if self._mesh is None:
            kinds = {str(name).partition(":")[0] for name in self.devices.flat}
            known: dict[str, Any] = {
                f"{one.platform}:{one.id}": one for kind in kinds for one in _jax.devices(kind)
            }
            missing = sorted(str(name) for name in self.devices.flat if name not in known)
            if missing:
                raise wrong(
                    "A DeviceMesh has devices that are not there.",
                    ", ".join(known),
                    ", ".join(missing),
                    "Pass some of keras.distribution.list_devices().",
                )
            grid = np.array([known[name] for name in self.devices.flat], dtype=object)
            self._mesh = Mesh(grid.reshape(self.devices.shape), tuple(self.axis_names))
        return self._mesh

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """How an array is divided over a mesh.

    Args:
        axes: for each axis of the array the name of an axis of the mesh, or None.
        device_mesh: the mesh. Default None: it is set later, once.

    Raises:
        InputError: the mesh lacks an axis.

    >>> mesh = DeviceMesh((1,), ["model"], ["cpu:0"])
    >>> tuple(TensorLayout((None, "model"), mesh).backend_layout.spec)
    (None, 'model')
    """

    def __init__(self, axes: Sequence[str | None], device_mesh: DeviceMesh | None = None) -> None:
        self.axes = tuple(axes)
        self._mesh: DeviceMesh | None = None
        if device_mesh is not None:
            self.device_mesh = device_mesh

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh; it may be set if it is None."""
        return self._mesh

    @device_mesh.setter
    def device_mesh(self, value: DeviceMesh) -> None:
        unknown = {*self.axes} - {None, *value.axis_names}
        if self._mesh is not None or unknown:
            raise wrong(
                "A TensorLayout cannot have this mesh.",
                f"a mesh with the axes {', '.join(str(axis) for axis in self.axes if axis)}",
                repr(value) if unknown else f"a second mesh, {value!r}",
                "Pass the names of axes of the mesh.",
            )
        self._mesh = value

    @property
    def backend_layout(self) -> NamedSharding:
        """The sharding of JAX."""
        if self._mesh is None:
            raise wrong(
                "A TensorLayout has no mesh.", "device_mesh", "None", "Pass the device_mesh."
            )
        return NamedSharding(self._mesh.backend_mesh, PartitionSpec(*self.axes))

    def __repr__(self) -> str:
        return f"<TensorLayout axes={self.axes}, device_mesh={self.device_mesh}>"


class LayoutMap(collections.abc.MutableMapping[str, Any]):
    """Layouts by regular expressions of the paths of variables.

    A path is that of Lamina, ``layers.0.kernel``, or the names of layers, ``dense/kernel``.

    Args:
        device_mesh: the mesh of the layouts.

    >>> layouts = LayoutMap(DeviceMesh((1,), ["model"], ["cpu:0"]))
    >>> layouts[".*dense.*kernel"] = (None, "model")
    >>> layouts["model/dense_1/kernel"].axes, layouts["conv/kernel"]
    ((None, 'model'), None)
    """

    def __init__(self, device_mesh: DeviceMesh) -> None:
        self.device_mesh = device_mesh
        self._layouts: dict[str, TensorLayout] = {}

    def __getitem__(self, key: str) -> Any:
        found = self.key_of([key])
        return None if found is None else self._layouts[found]

    def key_of(self, paths: Sequence[str]) -> str | None:
        """The key that is one of the forms of a path or matches one; None if there is none.

        Args:
            paths: the forms of one path.

        Raises:
            InputError: several keys match.
        """
        exact = [path for path in paths if path in self._layouts]
        if exact:
            return exact[0]
        found = [key for key in self._layouts if any(re.fullmatch(key, path) for path in paths)]
        if len(found) > 1:
            raise wrong(
                f"{paths[0]} matches several keys of a LayoutMap.",
                "one key",
                ", ".join(found),
                "Narrow the keys.",
            )
        return found[0] if found else None

    def __setitem__(self, key: str, layout: Any) -> None:
        if isinstance(layout, tuple | list):
            layout = TensorLayout(cast("Any", layout))
        if key in self._layouts or not isinstance(layout, TensorLayout):
            raise wrong(
                f"The layout of {key!r} cannot be set.",
                "a TensorLayout or a tuple, once for each key",
                "a second layout" if key in self._layouts else repr(layout),
                "Delete the key first, or pass a tuple of names of axes.",
            )
        if layout.device_mesh is None:
            layout.device_mesh = self.device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)
