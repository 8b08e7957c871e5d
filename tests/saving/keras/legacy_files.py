"""Writing the HDF5 files of Keras 1 and 2 by hand."""

import json

import h5py
import numpy as np

RNG = np.random.default_rng(3)


def layer(kind, name, **options):
    """The config of a layer, with its calls as `calls`."""
    calls = options.pop("calls", None)
    entry = {"class_name": kind, "config": {"name": name, "trainable": True, **options}}
    return entry if calls is None else {**entry, "name": name, "inbound_nodes": calls}


def given(name, *shape, **options):
    """The config of an input of a graph."""
    options = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False, **options}
    return layer("InputLayer", name, calls=[], **options)


def sequential(*entries):
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(entries)}}


def graph(entries, inputs, outputs, kind="Functional", name="model"):
    config = {"name": name, "layers": entries, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": kind, "config": config}


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def dense(features, units):
    return {"kernel:0": numbers(features, units), "bias:0": numbers(units)}


def write(path, config, groups, version="2.4.0", backend="tensorflow", root="model_weights"):
    """Write a model, or weights alone if the config is None and the root is empty.

    Args:
        path: the path of the file.
        config: the config of the model.
        groups: the arrays of each layer by name, by the name of the layer.
        version: the version of Keras; None for none.
        backend: the backend of Keras.
        root: the path of the group with the groups of layers.
    """
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["keras_version"] = np.bytes_(version)
        file.attrs["backend"] = np.bytes_(backend)
        if config is not None:
            file.attrs["model_config"] = np.bytes_(json.dumps(config))
        weights = file.create_group(root) if root else file
        weights.attrs["layer_names"] = np.array([name.encode() for name in groups], "S")
        for name, arrays in groups.items():
            group = weights.create_group(name)
            names = [f"{name}/{one}" for one in arrays]
            group.attrs["weight_names"] = np.array([one.encode() for one in names], "S")
            for one, array in zip(names, arrays.values(), strict=True):
                group[one] = array
    return str(path)
