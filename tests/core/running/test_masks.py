"""Masks of arrays within one call: who receives them, who passes them on, and where they end."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Model, layers

TOKENS = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
VALID = TOKENS != 0


class Seen(Layer):
    """Returns its input, and keeps the mask that it received in a list outside of the tree."""

    def __init__(self, found):
        super().__init__()
        self.found = lambda mask: found.append(mask)

    def call(self, inputs, mask=None):
        self.found(mask)
        return inputs


class Chain(Model):
    def __init__(self, *parts):
        super().__init__()
        self.embed, self.parts = layers.Embedding(9, 8, mask_zero=True), list(parts)

    def call(self, tokens):
        hidden = self.embed(tokens)
        for part in self.parts:
            hidden = part(hidden)
        return hidden


def received(*parts):
    """The mask that a layer receives behind others, in a live call; None without one."""
    found = []
    Chain(*parts, Seen(found))(TOKENS)
    return None if found[-1] is None else np.asarray(found[-1])


class Doubled(Layer):
    def __init__(self, supports=None):
        super().__init__()
        if supports is not None:
            self.supports_masking = supports

    def call(self, inputs):
        return 2 * inputs


class Flipped(Doubled):
    def compute_mask(self, inputs, previous_mask):
        return None if previous_mask is None else ~previous_mask


class Inner(Layer):
    """Has the mask of the layer inside, whatever it says of itself."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.filterwarnings("ignore:.*mask")
def test_a_layer_passes_masks_on_as_supports_masking_says() -> None:
    np.testing.assert_array_equal(received(Doubled(True)), VALID)
    np.testing.assert_array_equal(received(Flipped()), ~VALID)
    np.testing.assert_array_equal(received(Inner()), VALID)
    assert received(Doubled()) is None and received(Flipped(False)) is None
    assert received(layers.Conv1D(3, 1)) is None
    assert (Doubled().supports_masking, Flipped().supports_masking) == (False, True)


def test_a_layer_that_drops_a_mask_warns() -> None:
    with pytest.warns(UserWarning, match="Doubled.*does not pass the mask on"):
        received(Doubled())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        received(Doubled(True), Inner(), layers.Dense(8))
        Chain(Doubled()).plan(lamina.Spec((None, 4), "int32"))
        Doubled()(jnp.ones((2, 3)))


def test_planning_passes_masks() -> None:
    model = Chain(layers.GRU(4, return_sequences=True), layers.GlobalAveragePooling1D())
    plan = model.plan(lamina.Spec((None, None), "int32"))
    assert str(plan.calls[2].inputs.kwargs["mask"]) == str(lamina.Spec((None, None), bool))
    assert model.compute_output_shape((None, 4)) == (None, 4)


def test_an_array_keeps_its_mask_in_another_precision() -> None:
    found = []
    model = Chain(layers.Dense(4, dtype="mixed_bfloat16"), Seen(found))
    assert model(TOKENS).dtype == jnp.bfloat16
    np.testing.assert_array_equal(found[-1], VALID)


def block(found):
    class Block(Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.attention, self.norm = layers.MultiHeadAttention(2, 4), layers.LayerNormalization()
            self.seen = Seen(found)

        def call(self, inputs):
            return self.norm(self.seen(inputs) + self.attention(inputs, inputs))

    return Block()


def outputs(kind):
    found, after = [], []
    lamina.set_seed(3)

    class Net(Chain):
        def __init__(self):
            super().__init__(Seen(after), layers.GlobalAveragePooling1D())
            stacked = kind == "Stack"
            make = functools.partial(block, found)
            self.blocks = layers.Stack(make, 2) if stacked else [make(), make()]

        def call(self, tokens):
            hidden = self.embed(tokens)
            for one in [self.blocks] if kind == "Stack" else self.blocks:
                hidden = lamina.checkpoint(one)(hidden) if kind == "checkpoint" else one(hidden)
            return self.parts[1](self.parts[0](hidden))

    model = Net()
    result = model(TOKENS)
    assert all(mask is not None for mask in (*found, *after))
    np.testing.assert_allclose(lamina.jit(model)(TOKENS), result, atol=1e-5)
    if kind != "list":
        model.compile("sgd", "mse")
        model.fit(TOKENS, np.zeros((2, 8), "float32"), verbose=0)
    return result


@pytest.fixture(scope="module")
def of_a_list():
    return outputs("list")


@pytest.mark.parametrize("kind", ["checkpoint", "Stack"])
def test_masks_reach_layers_inside_of_transforms_and_come_back(kind, of_a_list) -> None:
    np.testing.assert_allclose(outputs(kind), of_a_list, atol=1e-5)


@pytest.mark.parametrize("wrap", [layers.Remat, lambda b: layers.Stack(lambda: b, 2)])
def test_an_explicit_mask_of_a_wrapper_reaches_the_layer_inside(wrap) -> None:
    found, after = [], []

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.wrapped, self.seen = wrap(block(found)), Seen(after)

        def call(self, inputs, valid):
            return self.seen(self.wrapped(inputs, mask=valid))

    Outer()(jnp.ones((2, 4, 8)), jnp.asarray(VALID))
    assert all(mask is not None for mask in found)
    np.testing.assert_array_equal(after[-1], VALID)


def test_a_mask_of_an_inner_trace_ends_with_it() -> None:
    found = []

    class Masked(Layer):
        def call(self, inputs):
            return inputs

        def compute_mask(self, inputs, mask=None):
            return self.valid(inputs)

        def valid(self, inputs):
            return jnp.any(inputs > 0, -1)

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.masked, self.seen = Masked(), Seen(found)

        def call(self, inputs):
            def body(carry, _):
                return carry + self.seen(self.masked(inputs)).sum(), None

            total, _ = jax.lax.scan(body, 0.0, None, length=2)
            return total + self.seen(inputs).sum()

    outer, x = Outer(), jnp.ones((2, 4, 8))
    outer(x)
    assert found[-1] is None and found[-2] is not None
    lamina.jit(outer)(x)
    assert found[-1] is None and found[-2] is not None


def test_masks_end_with_the_call() -> None:
    found = []
    hidden = layers.Embedding(9, 8, mask_zero=True)(TOKENS)
    Seen(found)(hidden)
    assert found[-1] is None


def test_apply_within_a_call_receives_the_masks_of_the_call() -> None:
    found, after = [], []

    class Outer(Chain):
        def call(self, tokens):
            hidden, _ = self.parts[0].apply(self.parts[0].values(), self.embed(tokens))
            return self.parts[1](hidden)

    Outer(Seen(found), Seen(after))(TOKENS)
    np.testing.assert_array_equal(found[-1], VALID)
    np.testing.assert_array_equal(after[-1], VALID)


def test_several_inputs_receive_their_masks_by_name() -> None:
    class Pair(Layer):
        def call(self, left, right, mask=None, left_mask=None, right_mask=None):
            assert mask is None
            return left_mask + 2 * right_mask

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.embed, self.pair = layers.Embedding(9, 8, mask_zero=True), Pair()

        def call(self, tokens, others):
            return self.pair(self.embed(tokens), right=self.embed(others))

    with pytest.warns(UserWarning, match="mask"):
        found = Outer()(TOKENS, TOKENS[::-1])
    np.testing.assert_array_equal(found, VALID + 2 * VALID[::-1])
