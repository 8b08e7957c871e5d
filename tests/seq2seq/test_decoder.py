"""The decoder against a loop over time in NumPy, and its gradients by finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import lamina
from lamina.errors import InputError
from lamina.seq2seq import AttentionDecoder

BATCH, SOURCE, TARGET, CHANNELS, VOCABULARY, UNITS = 2, 5, 4, 6, 7, 3
TOKENS = jnp.asarray([[1, 4, 6, 2], [1, 3, 3, 5]])
MASK = jnp.asarray([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)


def some(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) / 2, "float32")


VALUES, STATE = some(BATCH, SOURCE, CHANNELS, seed=1), some(BATCH, UNITS, seed=2)


@pytest.fixture(scope="module")
def decoder() -> AttentionDecoder:
    layer = AttentionDecoder(VOCABULARY, 4, UNITS, attention_units=5)
    layer.build(TOKENS, VALUES, STATE)
    drawn = {p: some(*v.shape, seed=9 + n) for n, (p, v) in enumerate(layer.values().items())}
    layer.set_values(drawn)
    return layer


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def reference(held: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row, one step, one place at a time."""
    logits = np.zeros((BATCH, TARGET, VOCABULARY))
    attention = np.zeros((BATCH, TARGET, SOURCE))
    states = np.array(STATE, np.float64)
    for row in range(BATCH):
        values = np.asarray(VALUES[row, : int(MASK[row].sum())])
        for t in range(TARGET):
            h = states[row]
            hidden = h @ held["attention.W1.kernel"] + values @ held["attention.W2.kernel"]
            scores = np.tanh(hidden + held["attention.W2.bias"]) @ held["attention.V.kernel"]
            weights = np.exp(scores[:, 0]) / np.exp(scores[:, 0]).sum()
            attention[row, t, : len(values)] = weights
            context = weights @ values
            embedded = held["embed.embeddings"][TOKENS[row, t]]
            x = embedded @ held["kernel"] + context @ held["context_kernel"] + held["bias"][0]
            u = h @ held["recurrent_kernel"] + held["bias"][1]
            (xz, xr, xh), (uz, ur, uh) = np.split(x, 3), np.split(u, 3)
            z, r = sigmoid(xz + uz), sigmoid(xr + ur)
            states[row] = z * h + (1 - z) * np.tanh(xh + r * uh)
            logits[row, t] = states[row] @ held["output.kernel"] + held["output.bias"]
    return logits, states, attention


def test_equals_a_loop_over_time(decoder) -> None:
    held = {path: np.asarray(value, np.float64) for path, value in decoder.values().items()}
    found = decoder(TOKENS, VALUES, STATE, MASK, return_attention=True)
    for one, other in zip(found, reference(held), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    plain = decoder(TOKENS, VALUES, STATE, MASK)
    assert len(plain) == 2
    np.testing.assert_array_equal(plain[0], found[0])


def test_step_by_step_is_the_whole(decoder) -> None:
    logits, last, attention = decoder(TOKENS, VALUES, STATE, MASK, return_attention=True)
    keys, state = decoder.attention.keys(VALUES), STATE
    for t in range(TARGET):
        one, state, weights = decoder(
            TOKENS[:, t : t + 1], VALUES, state, MASK, keys, return_attention=True
        )
        np.testing.assert_allclose(one[:, 0], logits[:, t], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(weights[:, 0], attention[:, t], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, last, rtol=1e-4, atol=1e-5)


def test_gradients_by_finite_differences(decoder) -> None:
    def loss(held: dict[str, jax.Array], values: jax.Array, state: jax.Array) -> jax.Array:
        (logits, last), _ = decoder.apply(held, TOKENS, values, state, MASK)
        return jnp.sum(jnp.sin(logits)) + jnp.sum(jnp.cos(last))

    check_grads(
        jax.jit(loss),
        (decoder.values(), VALUES, STATE),
        order=1,
        modes=["rev"],
        atol=2e-2,
        rtol=2e-2,
    )


def test_compiled_and_mapped_are_the_same(decoder) -> None:
    expected = decoder(TOKENS, VALUES, STATE, MASK)
    for one, other in zip(lamina.jit(decoder)(TOKENS, VALUES, STATE, MASK), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    held = decoder.values()

    def single(tokens: jax.Array, values: jax.Array, state: jax.Array, mask: jax.Array) -> object:
        return decoder.apply(held, tokens[None], values[None], state[None], mask[None])[0]

    mapped = jax.vmap(single)(TOKENS, VALUES, STATE, MASK)
    for one, other in zip(mapped, expected, strict=True):
        np.testing.assert_allclose(one[:, 0], other, rtol=1e-5, atol=1e-6)


def test_one_program_for_any_number_of_steps(decoder) -> None:
    program = jax.make_jaxpr(lambda held: decoder.apply(held, TOKENS, VALUES, STATE, MASK))
    text = str(program(decoder.values()))
    assert text.count("scan[") == 1


def test_builds_from_shapes_with_unknown_dims() -> None:
    layer = AttentionDecoder(VOCABULARY, 4, UNITS)
    layer.build(lamina.Spec((None, None), "int32"), (None, None, CHANNELS), state=(None, UNITS))
    shapes = {path: value.shape for path, value in layer.values().items()}
    assert shapes["kernel"] == (4, 3 * UNITS)
    assert shapes["context_kernel"] == (CHANNELS, 3 * UNITS)
    assert shapes["bias"] == (2, 3 * UNITS)
    assert shapes["output.kernel"] == (UNITS, VOCABULARY)
    assert layer.plan(TOKENS, VALUES, STATE).unused == ()


@pytest.mark.parametrize("sizes", [(0, 4, 3), (7, 0, 3), (7, 4, 0)])
def test_sizes_are_checked(sizes) -> None:
    with pytest.raises(InputError, match="whole number above 0"):
        AttentionDecoder(*sizes)


def test_a_state_of_another_size_is_refused(decoder) -> None:
    with pytest.raises(InputError, match="state"):
        decoder(TOKENS, VALUES, some(BATCH, UNITS + 1))
