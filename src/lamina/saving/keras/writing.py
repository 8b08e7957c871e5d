"""Writing models and weights for Keras 3."""

from __future__ import annotations

import datetime
import errno
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from lamina.core.base.lock import LOCK
from lamina.core.base.processes import is_main_process, to_host
from lamina.core.base.replaced_files import replacing
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import stored_together
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.errors import LaminaError, explain
from lamina.saving.config_writer import writing_with
from lamina.saving.files import raise_unwritten
from lamina.saving.keras.compilation_writing import compile_config
from lamina.saving.keras.configs_written import KerasWriter
from lamina.saving.keras.hdf5 import h5py_module
from lamina.saving.keras.quantized import written_integers
from lamina.saving.keras.walk import Group, class_name, groups_of, listed_base, own_variables
from lamina.saving.models import TrainingArrays

__all__ = ["VERSION", "check", "save", "save_weights"]

_OVERHEAD = 1 << 13  # more bytes than HDF5 needs for the header of a group or an array

VERSION = "3.10.0"
"""The version of Keras whose format is written; newer ones read it."""


def save(
    layer: Tracked,
    path: str | os.PathLike[str],
    arguments: Mapping[str, Any] | None = None,
    state: TrainingArrays | None = None,
) -> None:
    """Write a model as a ``.keras`` file.

    Args:
        layer: the model, built.
        path: the path of the file; an existing file is replaced.
        arguments: the arguments of `compile` by name, which are left out with a warning if Keras
            has no such optimizer, loss or metric; None (default) if the model is not compiled.
        state: the state of training; None (default) before the first step.

    Raises:
        LaminaError: Keras does not have a part of the model; the error names all such parts.
        OSError: the file cannot be written; an old file is unchanged.
    """
    name = os.fsdecode(path)
    with LOCK:
        config = _described(layer, name)
        compilation = None if arguments is None else compile_config(layer, arguments, state)
        if compilation is not None:
            config["compile_config"] = compilation.config
        text = json.dumps(config, allow_nan=False)
        arrays = _arrays(layer)
    date = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = json.dumps({"keras_version": VERSION, "date_saved": date})
    extra = () if compilation is None else compilation.variables
    if not is_main_process():
        return
    try:
        with replacing(os.path.realpath(name)) as temporary:
            inner = f"{temporary}.h5"
            try:
                _write_arrays(inner, arrays, extra)
                with zipfile.ZipFile(temporary, "w") as archive:
                    archive.writestr("metadata.json", metadata)
                    archive.writestr("config.json", text)
                    archive.write(inner, "model.weights.h5")
            finally:
                if os.path.exists(inner):
                    os.unlink(inner)
    except OSError as error:
        raise_unwritten(name, error.errno, error.strerror or str(error), error)


def check(layer: Tracked, path: str | os.PathLike[str]) -> None:
    """Check that Keras can hold a model, without writing it.

    Args:
        layer: the model, built or not.
        path: the path of the file, for the error.

    Raises:
        LaminaError: Keras does not have a part of the model; the error names all such parts.
    """
    _described(layer, os.fsdecode(path))


def save_weights(layer: Tracked, path: str | os.PathLike[str]) -> None:
    """Write the weights of a model as a ``.weights.h5`` file.

    Args:
        layer: the model, built.
        path: the path of the file; an existing file is replaced.

    Raises:
        LaminaError: the model has a layer that Keras does not have.
        OSError: the file cannot be written; an old file is unchanged.
    """
    name = os.fsdecode(path)
    with LOCK:
        arrays = _arrays(layer)
    if not is_main_process():
        return
    try:
        with replacing(os.path.realpath(name)) as temporary:
            _write_arrays(temporary, arrays, ())
    except OSError as error:
        raise_unwritten(name, error.errno, error.strerror or str(error), error)


def _described(layer: Tracked, path: str) -> dict[str, Any]:
    writer = KerasWriter()
    with writing_with(writer):
        described = writer.object(layer)
    writer.check(described, path, layer)
    shape = _input_shape(layer)
    described["build_config"] = {"input_shape": shape}
    if shape is not None and described["class_name"] == "Sequential":
        described["config"].setdefault("build_input_shape", shape)
    described.pop("compile_config", None)
    return described


def _input_shape(layer: Tracked) -> list[int | None] | None:
    """The shape of the only input that a model was built for; None if it has several."""
    built = layer._lamina.built
    if built is None:
        return None
    given = [*built.inputs.args, *built.inputs.kwargs.values()]
    if not given or not hasattr(given[0], "shape"):
        return None
    sizes: list[Any] = [one if isinstance(one, int) else None for one in given[0].shape]
    return [None, *sizes[1:]]


def _arrays(layer: Tracked) -> list[tuple[Group, list[np.ndarray]]]:
    """The groups of a model with their values on the host."""
    unbuilt = [path for path, v in walk(layer).variables.values() if not v.built]
    if unbuilt or layer._lamina.built is None:
        raise LaminaError(
            explain(
                f"{class_name(layer)} is not built: it has no weights to save.",
                where=f"made at {layer._lamina.made_at}",
                expected="a built layer",
                received=", ".join(unbuilt[:5]) or "an unbuilt layer",
                remedy="Call it once, or call build(...), before saving.",
            )
        )
    groups = groups_of(layer)
    variables = [slot for group in groups for slot in group.slots if isinstance(slot, Variable)]
    values = dict(zip(map(id, variables), stored_together(variables), strict=True))
    for _, inner in walk(layer).layers.values():
        values |= {key: value for key, value in _computed(inner).items() if key in values}
    return [
        (group, [to_host(values[id(s)]) if isinstance(s, Variable) else s for s in group.slots])
        for group in groups
    ]


def _computed(layer: Any) -> dict[int, Any]:
    """The kernels that Keras stores in another form, by the identity of their variable."""
    integers = written_integers(layer)
    if integers:
        return dict(integers)
    if getattr(layer, "lora", None) is not None and layer.lora.built:
        kernel = getattr(layer, layer._adapted)
        return {id(kernel): layer._changed()}
    if listed_base(layer) == "SpectralNormalization":  # Keras divides the kernel itself
        kernel: Any = own_variables(layer)[0]
        value = stored_together([kernel, layer.sigma])
        return {id(kernel): (value[0] / value[1]).astype(value[0].dtype)}
    return {}


def _write_arrays(
    path: str, groups: list[tuple[Group, list[np.ndarray]]], optimizer: Sequence[np.ndarray]
) -> None:
    module = h5py_module()
    arrays = [*optimizer, *(value for _, values in groups for value in values)]
    names = 2 + len(arrays) + sum(2 + group.prefix.count("/") for group, _ in groups)
    _reserve(path, sum(np.asarray(one).nbytes for one in arrays) + names * _OVERHEAD)
    try:
        with module.File(path, "w") as file:
            for group, values in groups:
                inner = file.create_group(group.prefix)
                text = str(cast(Any, group.layer).name)
                inner.attrs["name"] = text.encode(errors="replace").decode()  # "\ud800" is no text
                for index, value in enumerate(values):
                    _write(inner, str(index), np.asarray(value))
            if optimizer:
                inner = file.create_group("optimizer/vars")
                for index, value in enumerate(optimizer):
                    _write(inner, str(index), np.asarray(value))
    except RuntimeError as error:  # of h5py, if a file cannot be flushed
        raise OSError(errno.EIO, str(error).partition("\n")[0]) from error


def _reserve(path: str, size: int) -> None:
    """See that a file of a size can be written: the HDF5 library may crash on a full disk."""
    if not hasattr(os, "posix_fallocate"):
        return
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o666)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.ftruncate(descriptor, 0)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # of some file systems
            raise
    finally:
        os.close(descriptor)


def _write(group: Any, name: str, value: np.ndarray) -> None:
    if value.dtype == jnp.bfloat16:  # HDF5 has no such type
        group.create_dataset(name, data=value.view("V2")).attrs["dtype"] = "bfloat16"
    else:
        group.create_dataset(name, data=value)
