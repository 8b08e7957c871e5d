"""Quantizers, compared with Keras on the same arrays."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import quantizers
from lamina.errors import InputError, UnknownNameError

theirs = keras.quantizers
X = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")


@pytest.mark.parametrize("to_numpy", [False, True])
@pytest.mark.parametrize("axis", [0, -1, (0, 1)])
def test_integers_of_the_largest_value(axis, to_numpy):
    ours = quantizers.abs_max_quantize(X, axis, to_numpy=to_numpy)
    wanted = theirs.abs_max_quantize(X, axis, to_numpy=to_numpy)
    for array, other in zip(ours, wanted, strict=True):
        np.testing.assert_array_equal(array, other)
    options = {"value_range": (-7, 7), "epsilon": 0.1}
    for kind in (quantizers.AbsMaxQuantizer(**options), theirs.AbsMaxQuantizer(**options)):
        np.testing.assert_array_equal(kind(X)[0], quantizers.AbsMaxQuantizer(**options)(X)[0])


@pytest.mark.parametrize("block", [1, 2, 5, 9])
def test_groups_with_zero_points(block):
    ours = quantizers.abs_max_quantize_grouped_with_zero_point(X, block)
    wanted = theirs.abs_max_quantize_grouped_with_zero_point(X, block, to_numpy=True)
    for array, other in zip(ours, wanted, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_two_integers_in_a_byte(axis, dtype):
    low = -8 if dtype == "int8" else 0
    values = np.random.default_rng(1).integers(low, low + 16, (3, 5, 2)).astype(dtype)
    packed, shape, length = quantizers.pack_int4(values, axis, dtype)
    wanted = theirs.pack_int4(values, axis, dtype)
    np.testing.assert_array_equal(packed, wanted[0])
    assert (shape, length) == wanted[1:]
    np.testing.assert_array_equal(quantizers.unpack_int4(packed, length, axis, dtype), values)
    with pytest.raises(InputError, match="bytes"):
        quantizers.pack_int4(values.astype("int32"))


@pytest.mark.parametrize("axis", [None, 1])
def test_rounding_to_a_range_and_its_gradients(axis):
    low, high = (-0.5, 0.7) if axis is None else (np.full(7, -0.5), np.full(7, 0.7))
    low, high = np.asarray(low, "float32"), np.asarray(high, "float32")

    def loss(function):
        def total(x, low, high):
            return (function(x, low, high, num_bits=4, axis=axis) * X).sum()

        return jax.value_and_grad(total, argnums=(0, 1, 2))(X, low, high)

    ours = loss(quantizers.fake_quant_with_min_max_vars)
    wanted = loss(theirs.fake_quant_with_min_max_vars)
    for array, other in zip(jax.tree.leaves(ours), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


def test_floats_of_eight_bits():
    history = np.asarray([1.0, 3.0, 2.0], "float32")
    np.testing.assert_array_equal(
        quantizers.compute_float8_amax_history(X, history),
        theirs.compute_float8_amax_history(X, history),
    )
    for amax in (2.0, 0.0, np.inf):
        given = np.float32(amax), np.float32(0.25), np.float32(448.0)
        ours = quantizers.compute_float8_scale(*given)
        np.testing.assert_allclose(ours, theirs.compute_float8_scale(*given))
    given = X, np.float32(0.1), "float8_e4m3fn", "float32"
    wanted = theirs.quantize_and_dequantize(*given)
    np.testing.assert_array_equal(quantizers.quantize_and_dequantize(*given), wanted)


def test_configs():
    for name in ("Int8QuantizationConfig", "Int4QuantizationConfig"):
        ours, other = getattr(quantizers, name)(), getattr(theirs, name)()
        assert ours.mode == other.mode
        described = quantizers.serialize(ours)
        wanted = keras.saving.serialize_keras_object(other)
        assert described["class_name"] == wanted["class_name"]
        assert described["config"].keys() == wanted["config"].keys()
        again = quantizers.deserialize(wanted)
        assert quantizers.serialize(again) == described
        assert lamina.deserialize(lamina.serialize(ours)).get_config() == ours.get_config()
    plain = quantizers.Int8QuantizationConfig(activation_quantizer=None)
    assert (
        quantizers.Int8QuantizationConfig.from_config(plain.get_config()).activation_quantizer
        is None
    )
    assert quantizers.Int4QuantizationConfig.from_config({}).block_size is None  # of older files


@pytest.mark.parametrize(
    "make",
    [
        lambda: quantizers.AbsMaxQuantizer(value_range=(-300, 300)),
        lambda: quantizers.Int4QuantizationConfig(block_size=0),
        lambda: quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer(value_range=(-8, 7))),
        lambda: quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer(), block_size=None),
        lambda: quantizers.Int8QuantizationConfig(quantizers.AbsMaxQuantizer(output_dtype="int4")),
        lambda: quantizers.Int8QuantizationConfig(activation_quantizer="other"),
        lambda: quantizers.Int8QuantizationConfig(3),
        lambda: quantizers.get(3),
        lambda: quantizers.resolve(None),
        lambda: quantizers.resolve("float8"),
        lambda: quantizers.resolve("int4", quantizers.Int8QuantizationConfig()),
    ],
)
def test_options_that_do_not_fit(make):
    with pytest.raises(InputError):
        make()


def test_lookup():
    assert quantizers.get(None) is None
    assert quantizers.get("AbsMaxQuantizer", axis=0).axis == (0,)
    assert quantizers.get(quantizers.AbsMaxQuantizer).axis is None
    with pytest.raises(UnknownNameError):
        quantizers.get("unknown")
    x = jnp.ones(2)
    assert quantizers.Quantizer()(x) is x
