"""Images, and comparisons with Keras's layers for the same random parameters."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

KEY = jax.random.key(3)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Two images, all pixels different from one another."""
    drawn = np.random.default_rng(0).uniform(20, 235, (2, 6, 8, 3))
    return drawn.astype("float32")


def _theirs(layer: Any, given: Callable[..., Any], drawn: Any, x: Any) -> Any:
    return layer.transform_images(x, given(drawn, x), training=True)


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """Compare pairs of layers, in one program for all of them: JAX compiles it once.

    A pair has a function of what our layer drew and the images, which gives the transformation that
    Keras's layer takes.
    """

    def compare(pairs: list[tuple[Any, Any, Callable[..., Any]]], x: Any, atol: float = 1e-3):
        def run(x: Any, key: Any) -> Any:
            found = []
            for ours, theirs, given in pairs:
                drawn = ours.draw(key, x)
                found.append((ours.transform(x, drawn), _theirs(theirs, given, drawn, x)))
            return found

        for (ours, theirs, _), (found, expected) in zip(pairs, jax.jit(run)(x, KEY), strict=True):
            assert found.dtype == expected.dtype, theirs
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol, err_msg=repr(ours))

    return compare


@pytest.fixture(scope="session")
def whole() -> Callable[..., None]:
    """Compare whole layers that draw the same numbers, whatever the key."""

    def compare(pairs: list[tuple[Any, Any]], x: Any, atol: float = 1e-3) -> None:
        def run(x: Any, key: Any) -> Any:
            return [
                (
                    ours(x, training=True, rng=key),
                    _theirs(
                        theirs,
                        lambda *_, t=theirs: t.get_random_transformation(x, seed=1),
                        None,
                        x,
                    ),
                )
                for ours, theirs in pairs
            ]

        for (ours, _), (found, expected) in zip(pairs, jax.jit(run)(x, KEY), strict=True):
            assert found.dtype == expected.dtype, ours
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=atol, err_msg=repr(ours))

    return compare
