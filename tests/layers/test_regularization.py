"""Dropout's family and noise: what is dropped, mean and variance, and none at inference."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InputError, LaminaError
from lamina.layers import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from tests.close import assert_close

KEY = jax.random.key(0)
EVERY = [
    AlphaDropout(0.5),
    Dropout(0.5),
    GaussianDropout(0.5),
    GaussianNoise(0.5),
    SpatialDropout1D(0.5),
]
SPATIAL = {1: SpatialDropout1D, 2: SpatialDropout2D, 3: SpatialDropout3D}
every = pytest.mark.parametrize("layer", EVERY, ids=lambda layer: type(layer).__name__)


@every
def test_nothing_happens_outside_of_training(layer) -> None:
    x = jnp.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer(x, rng=KEY), x)


@every
def test_a_key_decides(layer) -> None:
    x = jnp.ones((4, 5, 6))
    first = layer(x, training=True, rng=KEY)
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), first)
    assert (layer(x, training=True, rng=jax.random.key(1)) != first).any()
    other = type(layer)(0.5, seed=3)
    assert (other(x, training=True, rng=KEY) != first).any()


@every
def test_without_a_key(layer) -> None:
    with pytest.raises(LaminaError, match="no random key"):
        layer(jnp.ones((2, 3, 4)), training=True)


@every
def test_half_precision(layer) -> None:
    assert layer(jnp.ones((2, 3, 4), "bfloat16"), training=True, rng=KEY).dtype == "bfloat16"


@pytest.mark.parametrize(
    "kind", [Dropout, AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout1D]
)
def test_a_rate_of_nothing_needs_no_key(kind) -> None:
    np.testing.assert_array_equal(kind(0)(jnp.ones((2, 3, 4)), training=True), 1)


@settings(deadline=None, max_examples=5)
@given(st.sampled_from([1, 2, 3]), st.booleans(), st.sampled_from([0.2, 0.5]))
def test_spatial_dropout_drops_whole_channels(rank, first, rate) -> None:
    options = {} if rank == 1 else {"data_format": "channels_first" if first else None}
    first = first and rank > 1
    space = (2, 3, 2)[:rank]
    x = jnp.ones((60, 40, *space) if first else (60, *space, 40))
    y = np.asarray(SPATIAL[rank](rate, **options)(x, training=True, rng=KEY))
    y = np.moveaxis(y, 1, -1) if first else y
    maps = y.reshape(60, -1, 40)
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :1], maps.shape))
    assert_close(np.unique(maps), [0, 1 / (1 - rate)], rtol=1e-6)
    assert abs(np.mean(maps == 0) - rate) < 0.05


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate) -> None:
    x = jax.random.normal(KEY, (300, 300))
    y = np.asarray(AlphaDropout(rate)(x, training=True, rng=jax.random.key(1)))
    assert abs(y.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02
    floor = np.unique(y)[0] if rate == 0.5 else y.min()
    dropped = np.isclose(y, np.asarray(_alpha_floor(rate)), atol=1e-5)
    assert abs(dropped.mean() - rate) < 0.01, floor


def _alpha_floor(rate: float) -> float:
    """What a dropped element becomes, from Klambauer et al., section 3."""
    floor = -1.7580993408473766
    a = (1 - rate + rate * (1 - rate) * floor**2) ** -0.5
    return a * floor - a * rate * floor


def test_alpha_dropout_leaves_an_affine_map_of_what_it_keeps() -> None:
    x = jax.random.normal(KEY, (50, 20))
    y = np.asarray(AlphaDropout(0.3)(x, training=True, rng=KEY))
    kept = ~np.isclose(y, _alpha_floor(0.3), atol=1e-5)
    slope, offset = np.polyfit(np.asarray(x)[kept], y[kept], 1)
    np.testing.assert_allclose(slope * np.asarray(x)[kept] + offset, y[kept], atol=1e-4)
    theirs = keras.layers.AlphaDropout(0.3, seed=1)
    other = np.asarray(theirs(x, training=True))
    kept = ~np.isclose(other, _alpha_floor(0.3), atol=1e-5)
    np.testing.assert_allclose(slope * np.asarray(x)[kept] + offset, other[kept], atol=1e-4)


def test_alpha_dropout_along_an_axis() -> None:
    y = AlphaDropout(0.5, (None, 1, None))(jnp.ones((20, 5, 10)), training=True, rng=KEY)
    np.testing.assert_array_equal(y[:, 0], y[:, 1])


@pytest.mark.parametrize("stddev", [0.3, 2.0])
def test_gaussian_noise_has_its_standard_deviation(stddev) -> None:
    x = jax.random.normal(KEY, (300, 300)) * 3 + 1
    noise = GaussianNoise(stddev)(x, training=True, rng=jax.random.key(1)) - x
    assert abs(noise.mean()) < 0.02 * stddev
    np.testing.assert_allclose(noise.std(), stddev, rtol=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_gaussian_dropout_has_the_variance_of_dropout(rate) -> None:
    x = jnp.full((300, 300), 2.0)
    factors = GaussianDropout(rate)(x, training=True, rng=KEY) / 2
    np.testing.assert_allclose(factors.mean(), 1, atol=0.02)
    np.testing.assert_allclose(factors.std(), (rate / (1 - rate)) ** 0.5, rtol=0.02)
    plain = Dropout(rate)(x, training=True, rng=KEY) / 2
    np.testing.assert_allclose(factors.std(), plain.std(), rtol=0.02)


@pytest.mark.parametrize("kind", [Dropout, AlphaDropout, GaussianDropout, SpatialDropout2D])
@pytest.mark.parametrize("rate", [-0.1, 1.1, "half", None, float("nan"), True])
def test_rates_out_of_range(kind, rate) -> None:
    with pytest.raises(InputError, match="rate"):
        kind(rate)


@pytest.mark.parametrize("kind", [AlphaDropout, GaussianDropout])
def test_a_rate_of_one_means_nothing_here(kind) -> None:
    with pytest.raises(InputError, match="up to, but not, 1"):
        kind(1.0)


@pytest.mark.parametrize("stddev", [-0.1, "much", None])
def test_deviations_out_of_range(stddev) -> None:
    with pytest.raises(InputError, match="stddev"):
        GaussianNoise(stddev)


def test_spatial_dropout_refuses() -> None:
    with pytest.raises(InputError, match="data_format"):
        SpatialDropout2D(0.5, "channels")
    for rank, kind in SPATIAL.items():
        with pytest.raises(InputError, match="axes") as caught:
            kind(0.5)(jnp.ones((2,) * (rank + 1)))
        assert "channels" in str(caught.value)


DROPPING = [layer for layer in EVERY if isinstance(layer, Dropout)]


@pytest.mark.parametrize("layer", [*DROPPING, Dropout(0.5, (None, 1, None))], ids=repr)
def test_what_is_dropped_may_be_infinite(layer) -> None:
    ones = jnp.ones((8, 6, 4))
    values = np.asarray(layer(ones * 7.0, training=True, rng=KEY))
    dropped = values == values.min()
    spoilt = jnp.where(dropped, jnp.where(ones.cumsum(0) % 2 == 0, jnp.inf, jnp.nan), 7.0)
    found, pull = jax.vjp(lambda x: layer(x, training=True, rng=KEY), spoilt)
    np.testing.assert_array_equal(found, values)
    assert 0 < dropped.mean() < 1
    slopes = np.asarray(pull(jnp.where(dropped, jnp.nan, 1.0))[0])
    np.testing.assert_array_equal(slopes[dropped], 0)
    assert (slopes[~dropped] > 0).all()
