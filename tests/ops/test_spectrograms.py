"""Spectrograms: a plain transform, and the properties of mel filters."""

import jax.numpy as jnp
import numpy as np

from lamina.ops.spectrograms import decibels, filtered, mel_filters, power_spectrum


def test_power_is_that_of_plain_transforms():
    x = np.random.default_rng(0).normal(size=(2, 30)).astype("float32")
    window = np.hanning(6)
    found = power_spectrum(x, window, 8, 5)
    padded = np.pad(x, [(0, 0), (4, 4)], "reflect")
    whole = np.pad(window, 1)
    for frame in range(found.shape[1]):
        part = padded[:, 5 * frame : 5 * frame + 8] * whole
        np.testing.assert_allclose(found[:, frame], abs(np.fft.rfft(part)) ** 2, 1e-4, 1e-4)
    assert found.shape == (2, 1 + 30 // 5, 5)


def test_mel_filters_overlap_to_one():
    filters = mel_filters(6, 201, 8000.0, 0.0, 4000.0)
    middle = filters.argmax(0)
    assert (np.diff(middle) > 0).all()
    np.testing.assert_allclose(filters[middle[0] : middle[-1] + 1].sum(1), 1, atol=1e-6)
    assert (filters[0] == 0).all()


def test_decibels():
    found = decibels(jnp.array([100.0, 1.0, 1e-9]), -10.0, 1e-6, 50.0)
    np.testing.assert_allclose(found, [10.0, -10.0, -40.0], rtol=1e-5)


def test_filters_are_applied_to_each_channel():
    x = jnp.arange(12.0).reshape(1, 2, 6)
    found = filtered(x, jnp.ones((3, 1, 1)), 3, "valid")
    assert found.tolist() == [[[[3.0, 12.0]], [[21.0, 30.0]]]]
