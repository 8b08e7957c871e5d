"""The encoder: both directions, the mask, the state."""

import jax.numpy as jnp
import numpy as np

from lamina.seq2seq import Encoder

TOKENS = jnp.asarray([[3, 1, 4, 1, 5], [2, 7, 0, 0, 0]])


def test_equals_its_parts() -> None:
    encoder = Encoder(8, 3, 4)
    values, state = encoder(TOKENS)
    embedded = encoder.embed(TOKENS)
    there, first = encoder.forwards(embedded)
    back, last = encoder.backwards(embedded)
    np.testing.assert_allclose(values[..., :4], there, rtol=1e-6)
    np.testing.assert_allclose(values[:, ::-1, 4:], back, rtol=1e-6)
    expected = jnp.tanh(jnp.concatenate([first, last], -1) @ encoder.bridge.kernel)
    np.testing.assert_allclose(state, expected, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing() -> None:
    encoder = Encoder(8, 3, 4)
    values, state = encoder(TOKENS, TOKENS != 0)
    shorter, same = encoder(TOKENS[1:, :2])
    np.testing.assert_allclose(values[1:, :2], shorter, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state[1:], same, rtol=1e-5, atol=1e-6)


def test_forwards_only() -> None:
    values, state = Encoder(8, 3, 4, bidirectional=False)(TOKENS)
    assert values.shape == (2, 5, 4)
    assert state.shape == (2, 4)
