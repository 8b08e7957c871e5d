"""Seq2Seq: its loss, learning, saving."""

from typing import Any

import jax
import numpy as np
import optax
import pytest

import lamina
from lamina.errors import InputError
from lamina.seq2seq import Seq2Seq

SOURCE = np.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0]], "int32")
TARGET = np.asarray([[1, 4, 6, 3, 2], [1, 7, 2, 0, 0]], "int32")


@pytest.fixture(scope="module")
def model() -> Seq2Seq:
    """A model that no test changes."""
    model = Seq2Seq(6, 9, embedding=4, units=8)
    model.build(SOURCE, TARGET, seed=0)
    return model


@pytest.fixture(scope="module")
def loss_of(model):
    """The program of the loss of the model."""
    return lamina.jit(model, method="train_loss")


def log_probabilities(model: Seq2Seq, told: np.ndarray) -> np.ndarray:
    logits = np.asarray(lamina.jit(model)(SOURCE, told), np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.fixture(scope="module")
def log_p(model) -> np.ndarray:
    """The logarithms of probabilities of each id after those of the target."""
    return log_probabilities(model, TARGET[:, :-1])


def train_loss(model: Seq2Seq, training: bool) -> jax.Array:
    return lamina.jit(model, "train_loss")((SOURCE, TARGET), training=training, rng=0)[0]


def test_the_loss_is_the_mean_over_what_is_not_padding(loss_of, log_p) -> None:
    losses = [-log_p[0, t, TARGET[0, t + 1]] for t in range(4)]
    losses += [-log_p[1, t, TARGET[1, t + 1]] for t in range(2)]
    loss, told = loss_of((SOURCE, TARGET))
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
    assert told["rows_right"] == 0


def test_padding_more_changes_nothing(loss_of) -> None:
    wide = [np.pad(ids, ((0, 0), (0, 3))) for ids in (SOURCE, TARGET)]
    (narrow, _), (other, _) = loss_of((SOURCE, TARGET)), loss_of(tuple(wide))
    np.testing.assert_allclose(narrow, other, rtol=1e-5)


def rows_and_their_reverses(count: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(3, 8, (count, 3))
    ends = np.ones((count, 1), int)
    return ids, np.concatenate([ends, ids[:, ::-1], 2 * ends], 1)


def test_learns_to_turn_rows_round() -> None:
    ids, target = rows_and_their_reverses(1024)
    lamina.set_seed(0)
    model = Seq2Seq(8, 8, embedding=16, units=32)
    model.compile("adam", learning_rate=1e-2)
    history = model.fit(ids, target, batch_size=32, epochs=4, verbose=0).history
    assert history["rows_right"][-1] > 0.95
    found = lamina.jit(model, method="generate")(ids[:64], 5)
    assert (np.asarray(found.tokens)[:, :3] == ids[:64, ::-1]).mean() > 0.97


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
    ids, target = rows_and_their_reverses(768)
    lamina.set_seed(0)
    model = Seq2Seq(8, 8, embedding=16, units=24, **ALL)
    model.compile(optax.adam(2e-2))
    history = model.fit(
        ids, target, batch_size=32, epochs=6, verbose=0, validation_data=(ids[:256], target[:256])
    ).history
    assert history["val_rows_right"][-1] > 0.9
    found = lamina.jit(model, method="generate")(ids[:64], 5, beam=2)
    assert (np.asarray(found.tokens)[:, :3] == ids[:64, ::-1]).mean() > 0.95
    # Labels are smoothed while training alone, where the loss cannot come near 0.
    assert history["loss"][-1] > history["val_loss"][-1] + 0.1


def test_labels_are_smoothed_in_training_alone(model, log_p) -> None:
    smoothed = Seq2Seq(6, 9, embedding=4, units=8, label_smoothing=0.2)
    smoothed.build(SOURCE, TARGET)
    smoothed.set_values(model.values())
    wanted = 0.8 * np.eye(9)[TARGET[:, 1:]] + 0.2 / 9
    kept = TARGET[:, 1:] != 0
    smooth = -((wanted * log_p).sum(-1) * kept).sum() / kept.sum()
    plain = -lamina.jit(smoothed, method="score")(SOURCE, TARGET).sum() / kept.sum()
    for training, expected in ((True, smooth), (False, plain)):
        np.testing.assert_allclose(train_loss(smoothed, training), expected, rtol=1e-5)


def test_its_own_guesses_are_what_a_greedy_search_writes() -> None:
    lamina.set_seed(4)
    model = Seq2Seq(6, 9, embedding=4, units=8, scheduled_sampling=1.0, end=8)
    model.build(SOURCE, TARGET)
    values = {path: 4 * np.asarray(value) for path, value in model.values().items()}
    model.set_values(values)
    written = np.asarray(lamina.jit(model, method="generate")(SOURCE, 4).tokens)
    assert (written != 8).all()
    log_p = log_probabilities(model, np.concatenate([TARGET[:, :1], written[:, :3]], 1))
    labels = TARGET[:, 1:]
    losses = -np.take_along_axis(log_p, labels[..., None], -1)[..., 0]
    expected = (losses * (labels != 0)).sum() / (labels != 0).sum()
    np.testing.assert_allclose(train_loss(model, True), expected, rtol=1e-4)
    assert abs(train_loss(model, False) - expected) > 1e-3


def test_scheduled_sampling_learns() -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, scheduled_sampling=0.3, dropout=0.1)
    trainer = lamina.Trainer(model, optax.adam(1e-2))
    losses = [float(trainer.step((SOURCE, TARGET))["loss"]) for _ in range(30)]
    assert losses[-1] < losses[0] - 0.5


def test_a_score_is_the_logarithm_of_a_probability(model, log_p) -> None:
    expected = [sum(log_p[0, t, TARGET[0, t + 1]] for t in range(4))]
    expected += [sum(log_p[1, t, TARGET[1, t + 1]] for t in range(2))]
    score = lamina.jit(model, method="score")(SOURCE, TARGET)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"attention_units": 5, "bidirectional": False, "end": 3}, ALL],
    ids=["plain", "all options"],
)
def test_comes_back_from_a_file(tmp_path, options) -> None:
    model = Seq2Seq(6, 9, embedding=4, units=8, **options)
    model.build(SOURCE, TARGET)
    model.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    assert isinstance(again, Seq2Seq)
    assert again.end == model.end
    found = [lamina.jit(each, method="generate")(SOURCE, 5) for each in (model, again)]
    jax.tree.map(np.testing.assert_array_equal, *found)


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
