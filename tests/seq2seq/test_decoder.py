"""The decoder against a loop over time in NumPy, and its gradients by finite differences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import lamina
from lamina.errors import InputError
from lamina.seq2seq import AttentionDecoder

BATCH, SOURCE, TARGET, CHANNELS, VOCABULARY, UNITS = 2, 5, 4, 6, 7, 3
TOKENS = np.asarray([[1, 4, 6, 2], [1, 3, 3, 5]], "int32")
MASK = np.asarray([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) / 2).astype("float32")


VALUES, STATE = some(BATCH, SOURCE, CHANNELS, seed=1), some(BATCH, UNITS, seed=2)


OPTIONS = [
    {},
    {"cell": "lstm", "deep_output": True, "tied": True},
    {"attention": "dot", "deep_output": True},
    {"attention": "dot", "cell": "lstm"},
]


@pytest.fixture(scope="module", params=OPTIONS, ids=lambda options: "-".join(options) or "plain")
def decoder(request) -> AttentionDecoder:
    layer = AttentionDecoder(VOCABULARY, 4, UNITS, attention_units=5, **request.param)
    layer.build(TOKENS, VALUES, states(layer))
    drawn = {p: some(*v.shape, seed=9 + n) for n, (p, v) in enumerate(layer.values().items())}
    layer.set_values(drawn)
    return layer


def states(decoder: AttentionDecoder) -> np.ndarray | tuple[np.ndarray, ...]:
    return (STATE, some(BATCH, UNITS, seed=3)) if decoder.cell == "lstm" else STATE


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def attend(held: dict[str, np.ndarray], h: np.ndarray, values: np.ndarray) -> np.ndarray:
    query, keys = h @ held["attention.W1.kernel"], values @ held["attention.W2.kernel"]
    if "attention.V.kernel" in held:
        hidden = np.tanh(query + keys + held["attention.W2.bias"])
        scores = (hidden @ held["attention.V.kernel"])[:, 0]
    else:
        scores = keys @ query / np.sqrt(len(query))
    return np.exp(scores) / np.exp(scores).sum()


def advance(held: dict[str, np.ndarray], x: np.ndarray, state: list[np.ndarray]) -> None:
    """One step of a GRU or an LSTM, given its input's share of the gates without the bias."""
    u, bias = state[0] @ held["recurrent_kernel"], held["bias"]
    if bias.ndim == 1:
        i, f, candidate, o = np.split(x + u + bias, 4)
        state[1] = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(candidate)
        state[0] = sigmoid(o) * np.tanh(state[1])
    else:
        (xz, xr, xh), (uz, ur, uh) = np.split(x + bias[0], 3), np.split(u + bias[1], 3)
        z, r = sigmoid(xz + uz), sigmoid(xr + ur)
        state[0] = z * state[0] + (1 - z) * np.tanh(xh + r * uh)


def score(held: dict[str, np.ndarray], h: np.ndarray, c: np.ndarray, e: np.ndarray) -> np.ndarray:
    if "readout.kernel" in held:
        joint = np.concatenate([h, c, e])
        h = np.tanh(joint @ held["readout.kernel"] + held["readout.bias"])
    if "output.kernel" in held:
        return h @ held["output.kernel"] + held["output.bias"]
    return h @ held["embed.embeddings"].T + held["output_bias"]


def reference(decoder: AttentionDecoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row, one step, one place at a time: logits, the last h, attention."""
    held = {path: np.asarray(value, np.float64) for path, value in decoder.values().items()}
    logits = np.zeros((BATCH, TARGET, VOCABULARY))
    attention = np.zeros((BATCH, TARGET, SOURCE))
    last = np.zeros((BATCH, UNITS))
    for row in range(BATCH):
        values = VALUES[row, : int(MASK[row].sum())]
        state = [np.asarray(array[row], float) for array in jax.tree.leaves(states(decoder))]
        for t in range(TARGET):
            weights = attend(held, state[0], values)
            attention[row, t, : len(values)] = weights
            context = weights @ values
            embedded = held["embed.embeddings"][TOKENS[row, t]]
            advance(held, embedded @ held["kernel"] + context @ held["context_kernel"], state)
            logits[row, t] = score(held, state[0], context, embedded)
        last[row] = state[0]
    return logits, last, attention


def test_equals_a_loop_over_time(decoder) -> None:
    run = lamina.jit(decoder)
    logits, last, seen = run(TOKENS, VALUES, states(decoder), MASK, return_attention=True)
    found = logits, jax.tree.leaves(last)[0], seen
    for one, other in zip(found, reference(decoder), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    plain = run(TOKENS, VALUES, states(decoder), MASK)
    assert len(plain) == 2
    np.testing.assert_array_equal(plain[0], logits)


def test_step_by_step_is_the_whole(decoder) -> None:
    state, run = states(decoder), lamina.jit(decoder)
    whole = run(TOKENS, VALUES, state, MASK, return_attention=True)
    logits, last, attention = jax.tree.map(np.asarray, whole)
    keys = decoder.attention.keys(VALUES)
    for t in range(TARGET):
        one, state, weights = run(
            TOKENS[:, t : t + 1], VALUES, state, MASK, keys, return_attention=True
        )
        np.testing.assert_allclose(one, logits[:, t : t + 1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(weights, attention[:, t : t + 1], rtol=1e-4, atol=1e-5)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(last), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_gradients_by_finite_differences(decoder) -> None:
    def loss(held: dict[str, jax.Array], values: jax.Array, state: Any) -> jax.Array:
        (logits, last), _ = decoder.apply(held, TOKENS, values, state, MASK)
        return jnp.sum(jnp.sin(logits)) + sum(jnp.cos(one).sum() for one in jax.tree.leaves(last))

    check_grads(
        jax.jit(loss),
        (decoder.values(), VALUES, states(decoder)),
        order=1,
        modes=["rev"],
        atol=2e-2,
        rtol=2e-2,
    )


def test_compiled_and_mapped_are_the_same(decoder) -> None:
    state = states(decoder)
    expected = decoder(TOKENS, VALUES, state, MASK)[0]
    found = lamina.jit(decoder)(TOKENS, VALUES, state, MASK)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    held = decoder.values()

    def single(*row: Any) -> Any:
        return decoder.apply(held, *jax.tree.map(lambda array: array[None], row))[0][0][0]

    mapped = jax.jit(jax.vmap(single))(TOKENS, VALUES, state, MASK)
    np.testing.assert_allclose(mapped, expected, rtol=1e-5, atol=1e-6)


def test_one_program_for_any_number_of_steps(decoder) -> None:
    state = states(decoder)
    program = jax.make_jaxpr(lambda held: decoder.apply(held, TOKENS, VALUES, state, MASK))
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
    with pytest.raises(InputError, match="a positive integer"):
        AttentionDecoder(*sizes)


def test_a_state_of_another_size_is_refused(decoder) -> None:
    with pytest.raises(InputError, match="state"):
        decoder(TOKENS, VALUES, some(BATCH, UNITS + 1))
    with pytest.raises(InputError, match="state"):
        decoder(TOKENS, VALUES, (STATE, STATE, STATE))


def test_dropout_is_for_training_alone() -> None:
    decoder = AttentionDecoder(VOCABULARY, 4, UNITS, dropout=0.5, deep_output=True)
    plain = np.asarray(lamina.jit(decoder)(TOKENS, VALUES, STATE)[0])
    run = lamina.jit(decoder)
    noisy = [
        np.asarray(run(TOKENS, VALUES, STATE, training=True, rng=jax.random.key(seed))[0])
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(plain, run(TOKENS, VALUES, STATE)[0])
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != plain).any()
    assert (noisy[0] != noisy[2]).any()


def test_an_lstm_begins_by_keeping_its_state() -> None:
    decoder = AttentionDecoder(VOCABULARY, 4, UNITS, cell="lstm")
    decoder.build(TOKENS, VALUES, (STATE, STATE))
    assert decoder.bias.value.tolist() == [0] * UNITS + [1] * UNITS + [0] * 2 * UNITS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "cosine"}, "attention='cosine'"),
        ({"cell": "rnn"}, "cell='rnn'"),
        ({"dropout": 1.5}, "rate=1.5"),
        ({"tied": True}, "units=3"),
    ],
)
def test_options_are_checked(options, message) -> None:
    with pytest.raises(InputError, match=message):
        AttentionDecoder(VOCABULARY, 4, UNITS, **options)
