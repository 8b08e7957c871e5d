"""Images, and comparisons with Keras's layers for the same random parameters."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import keras
import numpy as np
import pytest

KEY, OTHER_KEY = jax.random.key(3), jax.random.key(0)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Two images, all pixels different from one another."""
    drawn = np.random.default_rng(0).uniform(20, 235, (2, 6, 8, 3))
    return drawn.astype("float32")


def _assert_close(layer: Any, found: np.ndarray, expected: np.ndarray, atol: float) -> None:
    assert found.dtype == expected.dtype, layer
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol, err_msg=repr(layer))


@pytest.fixture(scope="session")
def same(by_numpy: Callable[..., Any]) -> Callable[..., None]:
    """Compare pairs of layers.

    A pair has a function of what our layer drew and the images, which gives the transformation that
    Keras's layer takes.
    """

    def compare(
        pairs: list[tuple[Any, Any, Callable[..., Any]]], x: np.ndarray, atol: float = 1e-3
    ) -> None:
        for ours, theirs, given in pairs:
            drawn = jax.device_get(ours.draw(KEY, x))
            found = np.asarray(ours.transform(x, drawn))
            theirs = by_numpy(theirs)
            expected = theirs.transform_images(x.copy(), given(drawn, x))  # it may change the array
            _assert_close(ours, found, expected, atol)

    return compare


@pytest.fixture(scope="session")
def whole(in_training: Callable[..., Any], by_numpy: Callable[..., Any]) -> Callable[..., None]:
    """Compare whole layers that draw the same numbers, whatever the key."""

    def compare(pairs: list[tuple[Any, Any]], x: np.ndarray, atol: float = 1e-3) -> None:
        outputs = in_training([ours for ours, _ in pairs], x)
        for (ours, theirs), found in zip(pairs, outputs, strict=True):
            theirs = by_numpy(theirs)
            seed = keras.random.SeedGenerator(1, backend=theirs.backend)
            drawn = theirs.get_random_transformation(x, seed=seed)
            _assert_close(ours, found, theirs.transform_images(x.copy(), drawn), atol)

    return compare


@pytest.fixture(scope="session")
def in_training() -> Callable[..., list[np.ndarray]]:
    """What layers give in training.

    They run outside of programs: they are made of compiled functions that all tests share.
    """

    def outputs(layers: Iterable[Any], x: Any, key: jax.Array = OTHER_KEY) -> list[np.ndarray]:
        return [np.asarray(layer(x, training=True, rng=key)) for layer in layers]

    return outputs


@pytest.fixture(scope="session")
def drawn() -> Callable[..., list[Any]]:
    """What layers draw for images of a shape."""

    def draws(layers: Iterable[Any], shape: tuple[int, ...]) -> list[Any]:
        x = np.zeros(shape, "float32")
        return [jax.device_get(layer.draw(OTHER_KEY, x)) for layer in layers]

    return draws


@pytest.fixture(scope="session")
def same_first(in_training: Callable[..., Any]) -> Callable[..., None]:
    """Compare layers with themselves with the channels first.

    A layer is given as a function that takes the option data_format.
    """

    def compare(kinds: Iterable[Callable[..., Any]], x: np.ndarray, rtol: float = 1e-5) -> None:
        for kind in kinds:
            first = [kind(data_format="channels_first")]
            (expected,) = in_training([kind(data_format="channels_last")], x)
            (found,) = in_training(first, np.moveaxis(x, -1, 1))
            np.testing.assert_allclose(
                np.moveaxis(found, 1, -1), expected, rtol=rtol, err_msg=repr(first)
            )

    return compare
