"""Seq2Seq: its loss, learning, saving."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lamina
from lamina.errors import InputError
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


ALL: dict[str, Any] = {
    "attention": "dot",
    "cell": "lstm",
    "num_layers": 2,
    "dropout": 0.1,
    "deep_output": True,
    "tied": True,
    "label_smoothing": 0.1,
}


def test_learns_with_every_option() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 8, (2048, 3))
    ends = np.ones((2048, 1), int)
    target = np.concatenate([ends, ids[:, ::-1], 2 * ends], 1)
    lamina.set_seed(0)
    model = Seq2Seq(8, 8, embedding=24, units=32, **ALL)
    model.compile(optax.adam(1e-2))
    history = model.fit(
        ids, target, batch_size=64, epochs=8, verbose=0, validation_data=(ids[:256], target[:256])
    ).history
    assert history["val_rows_right"][-1] > 0.9
    found = lamina.jit(model, method="generate")(jnp.asarray(ids[:64]), 5, beam=2)
    assert (np.asarray(found.tokens)[:, :3] == ids[:64, ::-1]).mean() > 0.95
    # Labels are smoothed while training alone, where the loss cannot come near 0.
    assert history["loss"][-1] > history["val_loss"][-1] + 0.1


def test_labels_are_smoothed_in_training_alone() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, label_smoothing=0.2)
    logits = jax.nn.log_softmax(model(SOURCE, TARGET[:, :-1]))
    wanted = 0.8 * jax.nn.one_hot(TARGET[:, 1:], 9) + 0.2 / 9
    kept = TARGET[:, 1:] != 0
    smooth = -((wanted * logits).sum(-1) * kept).sum() / kept.sum()
    plain = -model.score(SOURCE, TARGET).sum() / kept.sum()
    for training, expected in ((True, smooth), (False, plain)):
        options = {"training": training, "method": "train_loss"}
        (loss, _), _ = model.apply(model.values(), (SOURCE, TARGET), **options)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_its_own_guesses_are_what_a_greedy_search_writes() -> None:
    lamina.set_seed(4)
    model = Seq2Seq(6, 9, embedding=4, units=8, scheduled_sampling=1.0, end=8)
    model.build(SOURCE, TARGET)
    values = {path: 4 * value for path, value in model.values().items()}

    def loss(own: bool, target: jax.Array) -> jax.Array:
        options = {"training": own, "rng": jax.random.key(0), "method": "train_loss"}
        return model.apply(values, (SOURCE, target), **options)[0][0]

    model.set_values(values)
    written = lamina.jit(model, method="generate")(SOURCE, 4).tokens
    assert (written != 8).all()
    told = jnp.concatenate([TARGET[:, :1], written], 1)
    labels = TARGET[:, 1:]
    logits = jax.nn.log_softmax(model(SOURCE, told[:, :4]))
    losses = -jnp.take_along_axis(logits, labels[..., None], -1)[..., 0]
    expected = (losses * (labels != 0)).sum() / (labels != 0).sum()
    np.testing.assert_allclose(loss(True, TARGET), expected, rtol=1e-4)
    assert abs(loss(False, TARGET) - expected) > 1e-3


def test_scheduled_sampling_learns() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, scheduled_sampling=0.3, dropout=0.1)
    trainer = lamina.Trainer(model, optax.adam(1e-2))
    losses = [float(trainer.step((SOURCE, TARGET))["loss"]) for _ in range(30)]
    assert losses[-1] < losses[0] - 0.5


def test_a_score_is_the_logarithm_of_a_probability() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8)
    logits = jax.nn.log_softmax(model(SOURCE, TARGET[:, :-1]))
    expected = [sum(logits[0, t, TARGET[0, t + 1]] for t in range(4))]
    expected += [sum(logits[1, t, TARGET[1, t + 1]] for t in range(2))]
    np.testing.assert_allclose(model.score(SOURCE, TARGET), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"attention_units": 5, "bidirectional": False, "end": 3}, ALL],
    ids=["plain", "all options"],
)
def test_comes_back_from_a_file(tmp_path, options) -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, **options)
    expected = model(SOURCE, TARGET)
    model.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    assert isinstance(again, Seq2Seq)
    assert again.end == model.end
    np.testing.assert_array_equal(again(SOURCE, TARGET), expected)
    ids = [lamina.jit(each, method="generate")(SOURCE, 5).tokens for each in (model, again)]
    np.testing.assert_array_equal(*ids)


def test_the_plan_has_no_unused_layer() -> None:
    for options in ({}, ALL):
        plan = Seq2Seq(6, 9, embedding=4, units=8, **options).plan(SOURCE, TARGET)
        assert plan.unused == ()
        assert plan.aliases == {}


def test_a_tied_output_has_no_kernel_of_its_own() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, deep_output=True, tied=True)
    model.build(SOURCE, TARGET)
    shapes = {path: value.shape for path, value in model.values().items() if "output" in path}
    assert shapes == {"decoder.output_bias": (9,)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.2}, "label_smoothing=1.2"),
        ({"scheduled_sampling": -0.1}, "scheduled_sampling=-0.1"),
        ({"num_layers": 0}, "num_layers=0"),
    ],
)
def test_options_are_checked(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Seq2Seq(6, 9, **options)
