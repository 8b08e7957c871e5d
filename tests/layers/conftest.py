"""A comparison of one layer with Keras's, from the same weights."""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras import initializers
from keras.src import backend

PATHS = {f"lora_{weight}_{x}": f"lora.{x}" for weight in ("kernel", "embeddings") for x in "ab"}
"""Where weights stand here that Keras keeps under other names."""
RANDOM = (
    initializers.Orthogonal,
    initializers.RandomNormal,
    initializers.RandomUniform,
    initializers.TruncatedNormal,
    initializers.VarianceScaling,
)


def _path(variable: Any) -> str:
    return PATHS.get(variable.name, variable.name)


def _loss(outputs: Any) -> jax.Array:
    return sum((jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(outputs)), jnp.zeros(()))


def _weights(theirs: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    found = {}
    for variable in theirs.trainable_variables + theirs.non_trainable_variables:
        if "seed" not in variable.name:
            drawn = rng.normal(size=variable.shape).astype("float32")
            found[_path(variable)] = abs(drawn) + 0.5 if "variance" in variable.name else drawn
    return found


def _close(ours: Any, theirs: Any) -> None:
    ours, theirs = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def _compare(ours: Any, theirs: Any, *inputs: Any, **options: Any) -> Any:
    """Outputs, state and gradients by weights and floating inputs agree; gives the new values."""
    theirs.build(inputs[0].shape)
    weights = _weights(theirs)
    for variable in theirs.variables:
        if _path(variable) in weights:
            variable.assign(weights[_path(variable)])
    ours.build(*inputs, **{name: x for name, x in options.items() if name != "training"})
    ours.set_values(weights)
    trained = [_path(variable) for variable in theirs.trainable_variables]
    kept = [variable.value for variable in theirs.non_trainable_variables]
    floating = [x for x in inputs if jnp.issubdtype(x.dtype, jnp.floating)]

    def run_ours(values: dict[str, Any], given: list[Any]) -> Any:
        outputs, new = ours.apply(weights | values, *(given or inputs), **options)
        return _loss(outputs), (outputs, new)

    def run_theirs(values: dict[str, Any], given: list[Any]) -> Any:
        outputs, new = theirs.stateless_call(
            [values[name] for name in trained], kept, *(given or inputs), **options
        )
        return _loss(outputs), (outputs, new)

    values = {name: weights[name] for name in trained}
    grads = [jax.grad(run, (0, 1), has_aux=True) for run in (run_ours, run_theirs)]
    both = jax.jit(lambda *given: [grad(*given) for grad in grads])(values, floating)
    (gradient, (outputs, new)), (expected, (wanted, state)) = both
    _close(outputs, wanted)
    _close(gradient, expected)
    names = [_path(variable) for variable in theirs.non_trainable_variables]
    for name, value in zip(names, state, strict=True):
        if name in weights:
            _close(new[name], value)
    return new


@pytest.fixture(autouse=True)
def _quick_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let NumPy make the first weights of Keras: JAX compiles programs for each new shape."""
    initialize = keras.Variable._initialize_with_initializer
    random = np.random.default_rng(7)  # one for all: equal weights would hide exchanged ones

    def made(variable: Any, initializer: Any) -> None:
        if isinstance(initializer, RANDOM):
            value = random.normal(size=variable.shape)
        elif isinstance(initializer, (initializers.Zeros, initializers.Ones)):
            value = np.full(variable.shape, isinstance(initializer, initializers.Ones))
        else:
            return initialize(variable, initializer)
        return variable._initialize(jnp.asarray(value, variable.dtype))

    monkeypatch.setattr(keras.Variable, "_initialize_with_initializer", made)


@pytest.fixture
def compare() -> Callable[..., Any]:
    return _compare


@pytest.fixture
def normal() -> Callable[..., jax.Array]:
    """Arrays of a shape, the same ones for the same seed."""

    def draw(*shape: int, seed: int = 0) -> jax.Array:
        drawn = np.random.default_rng(seed).normal(size=shape).astype("float32")
        return jax.device_put(drawn)  # jnp.asarray compiles a program for each shape

    return draw


def _numpy_backend() -> Any:
    """Keras's functions in NumPy. Importing them takes the name of JAX's, which is given back."""
    of_jax = backend.numpy
    try:
        return importlib.import_module("keras.src.backend.numpy")
    finally:
        backend.numpy = of_jax


class _Numpy:
    """What takes the place of the functions of JAX in a layer of Keras."""

    name = _backend = "numpy"
    _functions = _numpy_backend()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._functions, name)


@pytest.fixture(scope="session")
def by_numpy() -> Callable[[Any], Any]:
    """Let NumPy compute a layer of Keras for images: JAX would compile programs for it."""

    def changed(layer: Any) -> Any:
        layer.backend = _Numpy()
        return layer

    return changed
