"""`keras.layers.Wrapper`, `JaxLayer` and `FlaxLayer`."""

import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

_random = np.random.default_rng(0)
_x = _random.normal(size=(4, 3)).astype("float32")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


class Pair(NamedTuple):
    w: Any
    b: Any


def _init(rng: Any, inputs: Any, training: bool) -> Any:
    w = jax.random.normal(rng, (inputs.shape[-1], 2))
    return {"pair": Pair(w, w[0]), "name": None}, {"count": jnp.zeros((), jnp.int32)}


def _call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
    x = inputs @ params["pair"].w + params["pair"].b
    assert (rng is None) == (not training)
    return x, {"count": state["count"] + 1}


def test_a_wrapper_builds_its_layer() -> None:
    class Scaled(ours.layers.Wrapper):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.scale = self.add_weight(shape=(1,), initializer="ones")

        def call(self, inputs: Any) -> Any:
            return self.scale * self.layer(inputs)

    layer = Scaled(ours.layers.Dense(2, kernel_initializer="ones"))
    assert layer(_x).shape == (4, 2)
    assert sorted(v.path for v in layer.variables) == ["layer.bias", "layer.kernel", "scale"]
    again = Scaled.from_config(layer.get_config())
    np.testing.assert_array_equal(again(_x), layer(_x))
    assert isinstance(ours.layers.Bidirectional(ours.layers.GRU(2)), ours.layers.Wrapper)
    assert not isinstance(ours.layers.Dense(2), ours.layers.Wrapper)
    with pytest.raises(InputError, match="no inner layer"):
        Scaled(3)  # pyright: ignore[reportArgumentType]


def test_one_call_of_the_initial_function_gives_all_weights() -> None:
    layer = ours.layers.JaxLayer(_call, _init)
    layer.build((None, 3))
    pair = layer.params["pair"]
    np.testing.assert_array_equal(pair.w.numpy()[0], pair.b.numpy())
    assert layer.params["name"] is None
    seeded = [ours.layers.JaxLayer(_call, _init, seed=3)(_x) for _ in range(2)]
    np.testing.assert_array_equal(*seeded)


def test_given_params_give_the_numbers_of_keras(keras: Any) -> None:
    def call(params: Any, inputs: Any) -> Any:
        return jnp.tanh(inputs @ params["w"]) * params["scale"]

    params = {"w": _random.normal(size=(3, 2)).astype("float32"), "scale": 2.0}
    own = ours.layers.JaxLayer(call, params=params)
    theirs = keras.layers.JaxLayer(call, params=params)
    np.testing.assert_allclose(own(_x), theirs(_x), rtol=1e-6)
    assert [w.shape for w in own.trainable_weights] == [w.shape for w in theirs.trainable_weights]


def test_state_and_weights_change_in_training() -> None:
    layer = ours.layers.JaxLayer(_call, _init)
    model = ours.Sequential([ours.Input((3,)), layer])
    before = layer.params["pair"].w.numpy()
    model.compile("sgd", "mse")
    model.fit(_x, np.ones((4, 2)), batch_size=2, epochs=2, verbose=0)
    assert int(layer.state["count"].numpy()) == 4
    assert (layer.params["pair"].w.numpy() != before).any()
    again = ours.layers.JaxLayer.from_config(
        layer.get_config(), custom_objects={"_call": _call, "_init": _init}
    )
    assert again.call_fn is _call


def test_functions_with_other_arguments_are_errors() -> None:
    with pytest.raises(InputError, match="other arguments"):
        ours.layers.JaxLayer(lambda params, x: x, params={})
    with pytest.raises(InputError, match="Nothing gives the weights"):
        ours.layers.JaxLayer(lambda params, inputs: inputs)
    layer = ours.layers.JaxLayer(
        lambda state, inputs: (inputs, {"other": 1}), state={"count": jnp.zeros(())}
    )
    with pytest.raises(InputError, match="another structure"):
        layer(_x)


class Module:
    """What `FlaxLayer` uses of a module of Flax."""

    def init(self, rngs: Any, inputs: Any, method: Any = None, training: bool = False) -> Any:
        w = jax.random.normal(rngs["params"], (inputs.shape[-1], 2))
        return {"params": {"w": w}, "batch_stats": {"mean": jnp.zeros(2)}}

    def __call__(self, inputs: Any, training: bool = False) -> Any: ...

    def apply(
        self, variables: Any, inputs: Any, *, rngs: Any, method: Any, mutable: Any, training: bool
    ) -> Any:
        assert mutable == ["batch_stats"] and set(rngs) == ({"dropout"} if training else set())
        outputs = inputs @ variables["params"]["w"] - variables["batch_stats"]["mean"]
        mean = outputs.mean(0) if training else variables["batch_stats"]["mean"]
        return outputs, {"batch_stats": {"mean": mean}}


def test_modules_of_flax_keep_their_state() -> None:
    layer = ours.layers.FlaxLayer(Module())
    first = layer(_x, training=True, rng=0)
    np.testing.assert_allclose(layer(_x), first - np.mean(first, 0), rtol=1e-5, atol=1e-6)
    assert [w.shape for w in layer.trainable_weights] == [(3, 2)]
