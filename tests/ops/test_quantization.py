"""Products with matrices of integers, compared with those of the floats that they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import quantization
from lamina.ops.quantization import Form, Quantized
from lamina.quantizers import AbsMaxQuantizer

RNG = np.random.default_rng(0)
FORMS = [Form(8), Form(4), Form(4, 4), Form(4, 5), Form(8, 3)]


def matrix(channels, inputs, form):
    low, high = (-8, 8) if form.bits == 4 else (-127, 128)
    values = RNG.integers(low, high, (channels, inputs)).astype("int8")
    groups = () if form.block is None else (-(-inputs // form.block),)
    scale = RNG.uniform(1, 2, (channels, *groups)).astype("float32")
    zero = RNG.integers(low, high, scale.shape).astype("int8") if groups else None
    if groups:
        at = np.arange(inputs) // form.block
        floats = (values - zero[:, at].astype("float32")) * scale[:, at]
    else:
        floats = values / scale[:, None]
    stored = quantization.packed(values) if form.bits == 4 else values
    return Quantized(
        *(None if a is None else jnp.asarray(a) for a in (stored, scale, zero))
    ), floats


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 6, 7])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_product(form, channels, in_blocks, monkeypatch):
    if in_blocks:
        monkeypatch.setattr(quantization, "_LARGE", 0)
        monkeypatch.setattr(quantization, "_BLOCK", 2)
    weights, floats = matrix(channels, 9, form)
    x = RNG.normal(size=(3, 9)).astype("float32")
    np.testing.assert_allclose(quantization.dequantized(weights, form, 9), floats, rtol=1e-6)
    found = quantization.product(x, weights, form)
    np.testing.assert_allclose(found, x @ floats.T, rtol=1e-5, atol=1e-4)
    rows = quantization.rows_of(weights, jnp.arange(-1, channels + 1), form)
    assert bool(jnp.isnan(rows[0]).all() and jnp.isnan(rows[-1]).all())
    np.testing.assert_allclose(rows[1:-1], floats, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("bits", [8, 4])
def test_product_of_integers(rows, bits):
    form = Form(bits, None, AbsMaxQuantizer())
    weights, floats = matrix(5, 9, form)
    x = RNG.normal(size=(rows, 9)).astype("float32")
    integers, scale = AbsMaxQuantizer()(x, axis=-1)
    wanted = (np.asarray(integers, "float32") / scale) @ floats.T
    np.testing.assert_allclose(quantization.product(x, weights, form), wanted, rtol=1e-5, atol=1e-5)


def test_derivatives_are_those_of_the_floats():
    form = Form(8, None, AbsMaxQuantizer())
    weights, floats = matrix(5, 9, form)
    x, y = RNG.normal(size=(2, 9)).astype("float32"), RNG.normal(size=(2, 5)).astype("float32")

    def loss(x):
        return (quantization.product(x, weights, form) * y).sum()

    np.testing.assert_allclose(jax.grad(loss)(x), y @ floats, rtol=1e-5, atol=1e-5)
    _, tangent = jax.jvp(lambda x: quantization.product(x, weights, form), (x,), (x,))
    np.testing.assert_allclose(tangent, x @ floats.T, rtol=1e-5, atol=1e-5)
