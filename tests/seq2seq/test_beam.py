"""Beam search against an exhaustive search, against lists in Python, and against greedy search."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.seq2seq import Seq2Seq, beam_search

PAD, START, END = 0, 1, 2
MARKS = {"start": START, "end": END, "pad": PAD}
SOURCE = np.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0], [4, 4, 4, 0, 0]], "int32")
MASK = np.asarray([[1, 1, 1], [1, 1, 0]], bool)
VOCABULARY, LENGTH = 4, 3


class Tiny:
    """Two rows whose next id and attention depend on all ids before."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.scores = rng.normal(size=(2, 64, VOCABULARY)).astype("float32")
        self.looks = rng.dirichlet(np.ones(3), (2, 64)).astype("float32") * MASK[:, None]

    def judge(self, row: int, ids: tuple[int, ...]) -> tuple[float, np.ndarray]:
        """The logarithm of the probability of ids, and their attention."""
        log_p, history, looks = 0.0, 0, []
        for before, after in itertools.pairwise((START, *ids)):
            history = (history * VOCABULARY + before) % 64
            scores = self.scores[row, history].astype(float)
            log_p += scores[after] - np.log(np.exp(scores).sum())
            looks.append(self.looks[row, history])
        return log_p, np.array(looks)

    def search(self, beam: int, alpha: float, beta: float):
        found = _search(self.scores, self.looks, beam, alpha, beta)
        return jax.tree.map(np.asarray, found)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _search(scores, looks, beam, alpha, beta):
    def step(token, state):
        row, history = state[:, 0], (state[:, 1] * VOCABULARY + token) % 64
        return scores[row, history], jnp.stack([row, history], 1), looks[row, history]

    return beam_search(
        step,
        jnp.asarray([[0, 0], [1, 0]]),
        3,
        LENGTH,
        beam=beam,
        length_penalty=alpha,
        coverage_penalty=beta,
        mask=jnp.asarray(MASK),
        **MARKS,
    )


def all_texts() -> list[tuple[int, ...]]:
    """Every text: those that end, of any length, and those cut off."""
    words = [id for id in range(VOCABULARY) if id != END]
    whole = [(*ids, END) for size in range(LENGTH) for ids in itertools.product(words, repeat=size)]
    return whole + list(itertools.product(words, repeat=LENGTH))


def wu(log_p: float, looks: np.ndarray, row: int, alpha: float, beta: float) -> float:
    """The score of Wu et al., arXiv 1609.08144, equation 14."""
    penalty = ((5 + len(looks)) / 6) ** alpha
    seen = np.minimum(looks.sum(0)[MASK[row]], 1)
    return log_p / penalty + beta * np.log(seen).sum()


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.0), (0.7, 0.4)])
def test_equals_an_exhaustive_search(alpha, beta) -> None:
    texts = all_texts()
    for seed in range(3):
        tiny = Tiny(seed)
        found = tiny.search(len(texts), alpha, beta)
        for row in range(2):
            judged = {ids: tiny.judge(row, ids) for ids in texts}
            scores = {ids: wu(*judged[ids], row, alpha, beta) for ids in texts}
            order = sorted(texts, key=lambda ids: (END not in ids, -scores[ids]))
            for place, ids in enumerate(order):
                size = len(ids)
                assert found.tokens[row, place].tolist() == [*ids, *[PAD] * (LENGTH - size)]
                np.testing.assert_allclose(found.score[row, place], scores[ids], rtol=1e-4)
                np.testing.assert_allclose(
                    found.log_probability[row, place], judged[ids][0], rtol=1e-4
                )
                looks = found.attention[row, place]
                np.testing.assert_allclose(looks[:size], judged[ids][1], rtol=1e-5)
                assert (looks[size:] == 0).all()


def by_lists(tiny: Tiny, row: int, beam: int, alpha: float) -> list[tuple[int, ...]]:
    """The same search of one row, with lists of texts."""
    alive, whole = [()], []
    for _ in range(LENGTH):
        grown = [(*ids, id) for ids in alive for id in range(VOCABULARY)]
        grown.sort(key=lambda ids: -tiny.judge(row, ids)[0])
        whole += [ids for ids in grown[:beam] if ids[-1] == END]
        alive = [ids for ids in grown[: 2 * beam] if ids[-1] != END][:beam]
        if len(whole) >= beam:
            break
    else:
        alive.sort(key=lambda ids: -tiny.judge(row, ids)[0])
        return [*_sorted(whole, tiny, row, alpha), *alive][:beam]
    return _sorted(whole, tiny, row, alpha)[:beam]


def _sorted(texts, tiny, row, alpha):
    return sorted(texts, key=lambda ids: -wu(*tiny.judge(row, ids), row, alpha, 0))


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_equals_a_search_with_lists(beam) -> None:
    for seed in range(12):
        tiny = Tiny(seed)
        found = tiny.search(beam, 0.8, 0)
        for row in range(2):
            expected = by_lists(tiny, row, beam, 0.8)
            texts = [tuple(ids[: _size(ids)]) for ids in found.tokens[row].tolist()]
            assert texts == expected


def _size(ids: list[int]) -> int:
    return ids.index(END) + 1 if END in ids else len(ids)


@pytest.fixture(scope="module")
def models() -> list[Seq2Seq]:
    made = []
    for seed, cell in enumerate(("gru", "lstm")):
        lamina.set_seed(seed)
        model = Seq2Seq(6, 9, embedding=4, units=8, cell=cell)
        model.build(SOURCE, SOURCE)
        scale = 4 * np.random.default_rng(seed).random()
        model.set_values({p: np.asarray(v) * (1 + scale) for p, v in model.values().items()})
        made.append(model)
    return made


def test_a_beam_of_one_is_greedy(models) -> None:
    for model in models:
        expected = lamina.jit(model, method="generate")(SOURCE, 7)
        found = lamina.jit(model, method="search")(SOURCE, 7, 1, 0.9, 0.3)
        found = jax.tree.map(np.asarray, found)
        np.testing.assert_array_equal(found.tokens[:, 0], expected.tokens)
        np.testing.assert_allclose(found.log_probability[:, 0], expected.log_probability, rtol=1e-4)
        np.testing.assert_allclose(found.attention[:, 0], expected.attention, atol=1e-5)


def test_a_wide_beam_finds_the_likeliest_text() -> None:
    lamina.set_seed(1)
    model = Seq2Seq(6, 4, embedding=3, units=5)
    texts = all_texts()
    search, score = lamina.jit(model, method="search"), lamina.jit(model, method="score")
    found = search(SOURCE, LENGTH, len(texts), 1.0)
    targets = np.full((len(texts), LENGTH + 1), PAD)
    for row, ids in enumerate(texts):
        targets[row, : len(ids) + 1] = START, *ids
    for row in range(3):
        # 0 is padding in a target and counts for nothing: judge texts without it alone.
        kept = [at for at, ids in enumerate(texts) if PAD not in ids and END in ids]
        source = np.repeat(SOURCE[row : row + 1], len(kept), 0)
        log_p = np.asarray(score(source, targets[kept]))
        sizes = np.asarray([len(texts[at]) for at in kept])
        best = texts[kept[int(np.argmax(log_p / ((5 + sizes) / 6)))]]
        first = next(ids for ids in found.tokens[row].tolist() if PAD not in ids[: _size(ids)])
        assert tuple(first[: _size(first)]) == best


@pytest.fixture(scope="module")
def search(models):
    """The search program of a model."""
    return lamina.jit(models[1], method="search")


def test_the_best_is_what_generate_gives(models, search) -> None:
    every = jax.tree.map(np.asarray, search(SOURCE, 6, 3, 0.6, 0.2))
    generate = lamina.jit(models[1], method="generate")
    best = generate(SOURCE, 6, beam=3, length_penalty=0.6, coverage_penalty=0.2)
    np.testing.assert_array_equal(best.tokens, every.tokens[:, 0])
    assert (np.diff(every.score, axis=1) <= 0).all()
    there = every.tokens != PAD
    np.testing.assert_allclose(every.attention.sum(-1)[there], 1, rtol=1e-5)


def test_rows_and_padding_change_nothing(search) -> None:
    together = search(SOURCE, 6, 3, 0.6, 0.2)
    alone = search(np.pad(SOURCE[1:2], ((0, 0), (0, 3))), 6, 3, 0.6, 0.2)
    together, alone = jax.tree.map(np.asarray, (together, alone))
    np.testing.assert_array_equal(together.tokens[1], alone.tokens[0])
    np.testing.assert_allclose(together.score[1], alone.score[0], rtol=1e-4)


def test_one_loop_of_one_size_whatever_the_length(models) -> None:
    def size(length: int) -> int:
        program = jax.make_jaxpr(
            lambda held: models[0].apply(held, SOURCE, length, 3, method="search")[0]
        )
        text = str(program(models[0].values()))
        assert text.count("while[") == 1
        return len(text.splitlines())

    assert size(8) == size(64)


def test_fewer_texts_than_slots() -> None:
    def step(token, state):
        return jnp.where(jnp.arange(3) == END, 0.0, -jnp.inf) + token[:, None] * 0, state, state

    found = jax.jit(lambda state: beam_search(step, state, 1, 4, beam=3, **MARKS))(np.ones((1, 1)))
    assert found.tokens.tolist() == [[[END, 0, 0, 0], [0] * 4, [0] * 4]]
    assert found.score.tolist() == [[0, -math.inf, -math.inf]]
    assert found.log_probability.tolist() == [[0, -math.inf, -math.inf]]


@pytest.mark.parametrize("beam", [0, -1, 2.5, True])
def test_a_beam_is_a_number_above_0(models, beam) -> None:
    with pytest.raises(InputError, match="beam"):
        models[0].generate(SOURCE, 4, beam=beam)
