"""Seq2Seq: its loss, learning, saving."""

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina.seq2seq import Seq2Seq

SOURCE = jnp.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0]])
TARGET = jnp.asarray([[1, 4, 6, 3, 2], [1, 7, 2, 0, 0]])


def test_the_loss_is_the_mean_over_what_is_not_padding() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8)
    logits = jax.nn.log_softmax(model(SOURCE, TARGET[:, :-1]))
    losses = [-logits[0, t, TARGET[0, t + 1]] for t in range(4)]
    losses += [-logits[1, t, TARGET[1, t + 1]] for t in range(2)]
    (loss, told), _ = model.apply(model.values(), (SOURCE, TARGET), method="train_loss")
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
    assert told["rows_right"] == 0


def test_padding_more_changes_nothing() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8)
    wide = [jnp.pad(ids, ((0, 0), (0, 3))) for ids in (SOURCE, TARGET)]
    loss = lamina.jit(model, method="train_loss")
    (narrow, _), (other, _) = loss((SOURCE, TARGET)), loss(tuple(wide))
    np.testing.assert_allclose(narrow, other, rtol=1e-5)


def test_learns_to_turn_rows_round() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 8, (2048, 4))
    ends = np.ones((2048, 1), int)
    target = np.concatenate([ends, ids[:, ::-1], 2 * ends], 1)
    lamina.set_seed(0)
    model = Seq2Seq(8, 8, embedding=16, units=32)
    model.compile("adam")
    history = model.fit(ids, target, batch_size=32, epochs=8, verbose=0).history
    assert history["rows_right"][-1] > 0.95
    found = lamina.jit(model, method="generate")(jnp.asarray(ids[:64]), 5)
    assert (np.asarray(found.tokens)[:, :4] == ids[:64, ::-1]).mean() > 0.97


def test_comes_back_from_a_file(tmp_path) -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, attention_units=5, bidirectional=False, end=3)
    expected = model(SOURCE, TARGET)
    model.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    assert isinstance(again, Seq2Seq)
    assert again.end == 3
    np.testing.assert_array_equal(again(SOURCE, TARGET), expected)
    ids = [lamina.jit(each, method="generate")(SOURCE, 5).tokens for each in (model, again)]
    np.testing.assert_array_equal(*ids)


def test_the_plan_has_no_unused_layer() -> None:
    plan = Seq2Seq(6, 9, embedding=4, units=8).plan(SOURCE, TARGET)
    assert plan.unused == ()
    assert plan.aliases == {}
