"""The laws of the initializers, their names and their configs, against Keras's."""

import json
import os
from inspect import signature

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina import initializers
from lamina.core.initial.sampling import draw
from lamina.errors import InputError, UnknownNameError

NAMES = [
    "zeros",
    "ones",
    "constant",
    "random_uniform",
    "random_normal",
    "truncated_normal",
    "variance_scaling",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "identity",
    "stft",
]
FIXED = ("constant", "orthogonal", "identity", "stft")


def test_every_initializer_of_keras_is_there():
    theirs = {name for name in dir(keras.initializers) if not name.startswith("_")}
    assert theirs - {"serialize", "deserialize"} <= set(dir(initializers))
    assert initializers.glorot_uniform is initializers.GlorotUniform


@pytest.mark.parametrize("name", [*NAMES, "zero", "one", "normal", "uniform"])
def test_names_are_those_of_keras(name):
    ours = initializers.get(name)
    theirs = getattr(keras.initializers, type(ours).__name__)()
    assert initializers.get(type(theirs).__name__) == ours
    config = {key: value for key, value in theirs.get_config().items() if key != "seed"}
    assert {key: getattr(ours, key, config[key]) for key in config} == config


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_stands_where_keras_has_it(name):
    ours = initializers.get(name)
    theirs = getattr(keras.initializers, type(ours).__name__)
    assert list(signature(type(ours)).parameters) == list(signature(theirs).parameters)


@pytest.mark.parametrize("shape", [(3, 3, 64, 32)])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in FIXED])
def test_spread_is_that_of_keras(name, shape):
    ours = draw(initializers.get(name), shape, "float32", seed=(0, 0), path="w")
    keras.utils.set_random_seed(0)
    theirs = np.asarray(keras.initializers.get(name)(shape))
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.03)
    np.testing.assert_allclose(ours.max(), theirs.max(), rtol=0.2)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.03 * max(theirs.std(), 1e-9))


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (3, 3, 8, 40)])
def test_orthogonal_rows_or_columns(shape):
    values = draw(initializers.Orthogonal(2.0), shape, "float32", seed=(0, 0), path="w")
    matrix = values.reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 4 * np.eye(matrix.shape[1]), atol=1e-5)
    theirs = np.asarray(keras.initializers.Orthogonal(2.0)(shape))
    np.testing.assert_allclose(values.std(), theirs.std(), rtol=0.05)
    assert abs(values.mean()) < 4 * values.std() / values.size**0.5


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_identity_and_constant_are_those_of_keras(shape):
    for name, value in (("Identity", 2.0), ("Constant", -1.5)):
        ours = getattr(initializers, name)(value)
        values = draw(ours, shape, "float32", seed=(0, 0), path="w")
        np.testing.assert_array_equal(values, getattr(keras.initializers, name)(value)(shape))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True},
        {"window": None},
        {"window": np.linspace(0.5, 1.0, 16), "scaling": None},
    ],
)
def test_stft_is_that_of_keras(options):
    values = draw(initializers.STFT(**options), (16, 1, 9), "float32", seed=(0, 0), path="w")
    theirs = np.asarray(keras.initializers.STFT(**options)((16, 1, 9)))
    np.testing.assert_allclose(values, theirs, atol=1e-5)


def test_stft_gives_the_coefficients_of_fourier():
    x = np.random.default_rng(0).normal(size=16)
    parts = [
        draw(initializers.STFT(side, None), (16, 1, 9), "float64", seed=(0, 0), path="w")[:, 0]
        for side in ("real", "imag")
    ]
    np.testing.assert_allclose(x @ (parts[0] + 1j * parts[1]), np.fft.rfft(x), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"side": "left"}, (4, 1, 3)),
        ({"scaling": "length"}, (4, 1, 3)),
        ({"window": "round"}, (4, 1, 3)),
        ({"window": [1.0, 2.0]}, (4, 1, 3)),
        ({}, (4, 2, 3)),
        ({}, (4, 3)),
    ],
)
def test_stft_refuses(options, shape):
    with pytest.raises(InputError, match="STFT got"):
        draw(initializers.STFT(**options), shape, "float32", seed=(0, 0), path="w")


def test_axes_are_told_to_what_counts_fans():
    told = initializers.with_axes(initializers.HeNormal(), (0, 1), (2,))
    assert told == initializers.HeNormal(input_axes=(0, 1), output_axes=(2,))
    assert initializers.with_axes(told, (0,), (1, 2)) is told
    ones = initializers.Ones()
    assert initializers.with_axes(ones, (0,), (1,)) is ones


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling(mode, distribution):
    ours = initializers.VarianceScaling(3.0, mode, distribution)
    values = draw(ours, (400, 100), "float64", seed=(0, 0), path="w")
    count = {"fan_in": 400, "fan_out": 100, "fan_avg": 250}[mode]
    np.testing.assert_allclose(values.var(), 3.0 / count, rtol=0.03)


def test_axes_overrule_the_fans():
    kernel = initializers.GlorotUniform(input_axes=[0], output_axes=[1, 2])
    assert kernel.distribution_for((6, 3, 2)).high == pytest.approx((6 / 12) ** 0.5)
    assert initializers.fans((6, 3, 2), (0,), (1, 2)) == (6, 6)
    assert initializers.fans(()) == (1, 1)
    assert initializers.fans((7,)) == (7, 7)


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.Zeros(),
        initializers.Constant(2.5),
        initializers.Constant(np.arange(3.0)),
        initializers.RandomNormal(stddev=0.02, seed=3),
        initializers.VarianceScaling(2.0, "fan_out", "uniform", input_axes=(0,), output_axes=(1,)),
        initializers.GlorotUniform(seed=0),
        initializers.Orthogonal(gain=2.0),
        initializers.STFT("imag", [0.5, 1.0]),
    ],
    ids=initializers.describe,
)
def test_configs_come_back_through_json(initializer):
    config = json.loads(json.dumps(initializers.to_config(initializer)))
    assert initializers.from_config(config) == initializer
    assert initializers.get(config) == initializer


def test_a_config_of_keras_is_read():
    config = keras.initializers.serialize(keras.initializers.HeNormal(seed=4))
    assert initializers.get(config) == initializers.HeNormal(seed=4)


def test_descriptions():
    assert initializers.describe("GlorotUniform") == "glorot_uniform"
    assert (
        initializers.describe(initializers.RandomNormal(stddev=0.02)) == "RandomNormal(stddev=0.02)"
    )
    assert (
        initializers.describe(initializers.Constant(np.ones((2, 3))))
        == "Constant(value=<array (2, 3)>)"
    )
    assert initializers.describe(jax.nn.initializers.zeros) == "zeros"
    assert "init" in initializers.describe(jax.nn.initializers.glorot_normal())


def test_what_may_stand_for_an_initializer():
    assert initializers.get(initializers.Ones) == initializers.Ones()
    assert initializers.get(0.5) == initializers.Constant(0.5)
    assert initializers.get(np.ones(3)) == initializers.Constant(jnp.ones(3))
    assert initializers.get(jax.nn.initializers.ones) is jax.nn.initializers.ones


def test_a_users_own_law_is_drawn():
    class Wide(initializers.Initializer):
        def distribution_for(self, shape):
            return initializers.Distribution("uniform", low=5.0, high=6.0)

    values = draw(Wide(), (100,), "float32", seed=(0, 0), path="w")
    assert values.min() >= 5.0
    assert values.max() <= 6.0
    assert repr(Wide()) == "Wide()"


def test_wrong_identifiers():
    with pytest.raises(UnknownNameError, match="Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    for wrong in (None, [1], int, object()):
        with pytest.raises(InputError, match="initializer is not valid"):
            initializers.get(wrong)
    with pytest.raises(InputError, match="have a config"):
        initializers.to_config(jax.nn.initializers.ones)
    for damaged in ({}, {"class_name": "Ones", "config": {"x": 1}}, {"class_name": 3}):
        with pytest.raises(InputError, match="config of an initializer"):
            initializers.from_config(damaged)


@pytest.mark.parametrize(
    "arguments", [{"scale": 0.0}, {"mode": "in"}, {"distribution": "cauchy"}, {"seed": "a"}]
)
def test_wrong_arguments(arguments):
    with pytest.raises(InputError, match="VarianceScaling got"):
        initializers.VarianceScaling(**arguments)


def test_a_constant_keeps_its_own_copy():
    table = np.zeros(3)
    constant = initializers.Constant(table)
    table[:] = 1
    assert constant == initializers.Constant(np.zeros(3))
    assert constant != initializers.Constant(1.0)
    assert hash(constant) == hash(initializers.Constant(np.zeros(3)))
