"""The encoder: both directions, the mask, the state."""

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina.seq2seq import Encoder
from tests.close import assert_close

TOKENS = np.asarray([[3, 1, 4, 1, 5], [2, 7, 0, 0, 0]], "int32")


def test_equals_its_parts() -> None:
    encoder = Encoder(8, 3, 4)
    values, state = map(np.asarray, encoder(TOKENS))
    embedded = encoder.embed(TOKENS)
    there, first = map(np.asarray, encoder.forwards(embedded))
    back, last = map(np.asarray, encoder.backwards(embedded))
    assert_close(values[..., :4], there, rtol=1e-6)
    assert_close(values[:, ::-1, 4:], back, rtol=1e-6)
    expected = np.tanh(np.concatenate([first, last], -1) @ np.asarray(encoder.bridge.kernel))
    np.testing.assert_allclose(state, expected, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing() -> None:
    encoder = Encoder(8, 3, 4)
    run = lamina.jit(encoder)
    values, state = map(np.asarray, run(TOKENS, TOKENS != 0))
    shorter, same = run(TOKENS[1:, :2])
    np.testing.assert_allclose(values[1:, :2], shorter, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state[1:], same, rtol=1e-5, atol=1e-6)


def test_forwards_only() -> None:
    values, state = Encoder(8, 3, 4, bidirectional=False)(TOKENS)
    assert values.shape == (2, 5, 4)
    assert state.shape == (2, 4)


def test_layers_read_what_is_below() -> None:
    encoder = Encoder(8, 3, 4, num_layers=3)
    values, state = encoder(TOKENS, TOKENS != 0)
    below = encoder.embed(TOKENS)
    for reading in (encoder, *encoder.above):
        there, first = reading.forwards(below, mask=TOKENS != 0)
        back, last = reading.backwards(below, mask=TOKENS != 0)
        below = jnp.concatenate([there, back[:, ::-1]], -1)
    np.testing.assert_allclose(values, below, rtol=1e-5, atol=1e-6)
    bridged = encoder.bridge(jnp.concatenate([first, last], -1))
    np.testing.assert_allclose(state, bridged, rtol=1e-5, atol=1e-6)
    assert encoder.above[0].forwards.kernel.shape == (8, 12)
    assert encoder.values()["above.1.backwards.bias"].shape == (2, 12)


def test_dropout_is_for_training_alone() -> None:
    encoder = Encoder(8, 3, 4, num_layers=2, dropout=0.5)
    run = lamina.jit(encoder)
    plain = np.asarray(run(TOKENS)[0])
    np.testing.assert_array_equal(run(TOKENS)[0], plain)
    noisy = np.asarray(run(TOKENS, training=True, rng=jax.random.key(0))[0])
    assert (noisy == 0).any()
    assert (noisy != plain).any()


def test_an_lstm_has_two_states() -> None:
    encoder = Encoder(8, 3, 4, cell="lstm")
    values, (h, c) = encoder(TOKENS, TOKENS != 0)
    embedded = encoder.embed(TOKENS)
    there, *first = encoder.forwards(embedded, mask=TOKENS != 0)
    back, *last = encoder.backwards(embedded, mask=TOKENS != 0)
    expected = jnp.concatenate([there, back[:, ::-1]], -1)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    both = [jnp.concatenate(pair, -1) for pair in zip(first, last, strict=True)]
    np.testing.assert_allclose(h, encoder.bridge(both[0]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(c, encoder.bridge_c(both[1]), rtol=1e-5, atol=1e-6)
    shorter, _ = lamina.jit(encoder)(TOKENS[1:, :2])
    np.testing.assert_allclose(np.asarray(values)[1:, :2], shorter, rtol=1e-5, atol=1e-6)
