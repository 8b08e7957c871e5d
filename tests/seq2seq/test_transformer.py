"""The transformer pair: step by step as at once, the searches, learning, saving."""

from typing import Any

import jax
import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.seq2seq import Transformer, TransformerDecoder

SOURCE = np.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0]], "int32")
TARGET = np.asarray([[1, 4, 6, 3, 2], [1, 7, 2, 0, 0]], "int32")
SIZES: dict[str, Any] = {"embedding": 8, "intermediate_dim": 12, "num_heads": 2}


def drawn(**options: Any) -> Transformer:
    """A model with weights large enough that places and ids matter."""
    model = Transformer(6, 9, **{"num_layers": 1, **SIZES, **options})
    model.build(SOURCE, TARGET, seed=0)
    rng = np.random.default_rng(0)
    model.set_values(
        {p: rng.normal(size=v.shape).astype("float32") for p, v in model.values().items()}
    )
    return model


@pytest.fixture(scope="module")
def model() -> Transformer:
    """A model that no test changes."""
    return drawn()


@pytest.fixture(scope="module")
def run(model):
    """The program of a whole call of the model."""
    return lamina.jit(model)


MASK = SOURCE != 0


@pytest.fixture(scope="module")
def whole():
    """A model of two layers, its decoder's program, and what this gives for all tokens at once."""
    model = drawn(num_layers=2)
    values, state = lamina.jit(model.encoder)(SOURCE, MASK)
    run = lamina.jit(model.decoder)
    made = run(TARGET, values, state, MASK, return_attention=True)
    return model, run, values, state, jax.tree.map(np.asarray, made)


def test_step_by_step_is_the_whole(whole) -> None:
    model, run, values, state, (logits, none, weights) = whole
    assert none is None
    decoder = model.decoder
    memory, state = decoder.remember(values), decoder.begin(state, values, TARGET.shape[1])
    for at in range(TARGET.shape[1]):
        given = memory if at % 2 else None  # without it, what the values give is computed anew
        step = run(TARGET[:, at : at + 1], values, state, MASK, given, return_attention=True)
        stepped, state, looked = step
        np.testing.assert_allclose(stepped[:, 0], logits[:, at], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(looked[:, 0], weights[:, at], atol=1e-5)
    assert state["length"].tolist() == [5, 5]


def test_attention_is_shares_of_what_is_not_padding(whole) -> None:
    weights = whole[-1][-1]
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert (weights[1, :, 2:] == 0).all()


def test_padding_more_changes_nothing(model) -> None:
    wide = tuple(np.pad(ids, ((0, 0), (0, 3))) for ids in (SOURCE, TARGET))
    loss = lamina.jit(model, method="train_loss")
    (narrow, _), (other, _) = loss((SOURCE, TARGET)), loss(wide)
    np.testing.assert_allclose(narrow, other, rtol=1e-5)


def test_what_comes_after_is_not_seen(run) -> None:
    changed = TARGET.copy()
    changed[:, 3:] = 8
    before, after = (np.asarray(run(SOURCE, ids)) for ids in (TARGET, changed))
    np.testing.assert_allclose(before[:, :3], after[:, :3], rtol=1e-5)


def test_what_searches_write_has_the_probability_that_they_tell(model) -> None:
    generate, score = (lamina.jit(model, method=method) for method in ("generate", "score"))
    for found in (generate(SOURCE, 4), generate(SOURCE, 4, beam=4)):
        marked = np.pad(found.tokens, ((0, 0), (1, 0)), constant_values=1)
        np.testing.assert_allclose(
            score(SOURCE, marked), found.log_probability, rtol=1e-3, atol=1e-4
        )


def test_learns_to_turn_rows_round() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 8, (768, 3))
    ends = np.ones((768, 1), int)
    target = np.concatenate([ends, ids[:, ::-1], 2 * ends], 1)
    lamina.set_seed(0)
    sizes = {"embedding": 16, "intermediate_dim": 32, "num_heads": 2, "num_layers": 1}
    model = Transformer(8, 8, **sizes, dropout=0.05)
    model.compile("adam", learning_rate=1e-2)
    history = model.fit(ids, target, batch_size=32, epochs=10, verbose=0).history
    assert history["rows_right"][-1] > 0.8
    found = lamina.jit(model, method="generate")(ids[:64], 4)
    assert (np.asarray(found.tokens)[:, :3] == ids[:64, ::-1]).mean() > 0.9


def test_a_search_may_be_what_builds_it() -> None:
    lamina.set_seed(0)
    model = Transformer(6, 9, num_layers=1, **SIZES)
    found = lamina.jit(model, method="generate")(SOURCE, 4, beam=4)
    lamina.set_seed(0)
    other = Transformer(6, 9, num_layers=1, **SIZES)
    other.build(SOURCE, TARGET)
    assert model.values().keys() == other.values().keys()
    again = lamina.jit(other, method="generate")(SOURCE, 4, beam=4)
    np.testing.assert_array_equal(found.tokens, again.tokens)


def test_scheduled_sampling_makes_steps_of_its_own(run) -> None:
    model = drawn(scheduled_sampling=1.0, end=8)
    written = lamina.jit(model, method="generate")(SOURCE, 4).tokens
    told = np.concatenate([TARGET[:, :1], written], 1)
    loss, _ = lamina.jit(model, "train_loss")((SOURCE, TARGET), training=True, rng=0)
    labels = TARGET[:, 1:]
    logits = np.asarray(run(SOURCE, told), np.float64)[:, :-1]  # of a model of the same weights
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_p, labels[..., None], -1)[..., 0]
    expected = (losses * (labels != 0)).sum() / (labels != 0).sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-3)


def test_comes_back_from_a_file(tmp_path, model, run) -> None:
    model.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(run(SOURCE, TARGET), lamina.jit(again)(SOURCE, TARGET))


def test_the_plan_has_no_unused_layer() -> None:
    plan = Transformer(6, 9, **SIZES).plan(SOURCE, TARGET)
    assert plan.unused == ()
    assert plan.aliases == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_layers": 0}, "num_layers"), ({"label_smoothing": 2.0}, "label_smoothing")],
)
def test_options_are_checked(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Transformer(6, 9, **options)


def test_heads_must_part_the_embedding() -> None:
    with pytest.raises(InputError, match="num_heads"):
        TransformerDecoder(9, 7, 8, num_heads=2)(TARGET, np.ones((2, 5, 7), "float32"))
