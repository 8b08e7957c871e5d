"""Loads of the weights that match, with a list of the others."""

import warnings

import numpy as np
import pytest

from lamina import Input, Layer, Sequential, layers
from lamina.errors import FileFormatError

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def stack(classes, *more):
    return Sequential([Input((3,)), layers.Dense(4), layers.Dense(classes), *more])


def saved(model, folder):
    model.save_weights(folder / "weights.safetensors")
    return folder / "weights.safetensors"


def test_weights_of_another_shape_are_skipped_and_listed(tmp_path):
    source, target = stack(10), stack(2, layers.Dense(1))
    before = target.values()
    path = saved(source, tmp_path)
    with pytest.raises(FileFormatError):
        target.load_weights(path)
    with pytest.warns(UserWarning, match="were skipped") as caught:
        target.load_weights(path, skip_mismatch=True)
    text = str(caught[0].message)
    assert "missing:    layers.2.kernel (2, 1)" in text
    assert "layers.1.kernel, expected (4, 2) float32, got (4, 10)" in text
    after = target.values()
    for name in ("layers.0.kernel", "layers.0.bias"):
        np.testing.assert_array_equal(after[name], source.values()[name])
    for name in ("layers.1.kernel", "layers.1.bias", "layers.2.kernel"):
        np.testing.assert_array_equal(after[name], before[name])


def test_unexpected_entries_are_skipped_and_a_full_match_is_silent(tmp_path):
    source, target = stack(2, layers.Dense(1)), stack(2)
    with pytest.warns(UserWarning, match="unexpected: layers.2.kernel"):
        target.load_weights(saved(source, tmp_path), skip_mismatch=True)
    np.testing.assert_array_equal(target(X), source.layers[1](source.layers[0](X)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target.load_weights(saved(source[:2], tmp_path), skip_mismatch=True)


class Net(Layer):
    def __init__(self, classes, features="features"):
        super().__init__()
        setattr(self, features, layers.Dense(4))
        self.head = layers.Dense(classes)
        self._names = features

    def call(self, inputs):
        return self.head(getattr(self, self._names)(inputs))


def test_an_unbuilt_layer_is_built_and_draws_what_is_skipped(tmp_path):
    source = Net(10)
    source(X)
    target = Net(2, "trunk")
    with pytest.warns(UserWarning, match="head.kernel"):
        target.load_weights(saved(source, tmp_path), {"features": "trunk"}, skip_mismatch=True)
    np.testing.assert_array_equal(target.trunk.kernel, source.features.kernel)
    assert target(X).shape == (4, 2) and np.any(target.head.kernel)


def test_a_damaged_file_changes_nothing(tmp_path):
    target, path = stack(2), tmp_path / "weights.safetensors"
    path.write_bytes(b"\x00" * 64)
    before = target.values()
    with pytest.raises(FileFormatError):
        target.load_weights(path, skip_mismatch=True)
    for name, value in target.values().items():
        np.testing.assert_array_equal(value, before[name])
