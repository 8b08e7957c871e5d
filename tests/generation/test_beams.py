"""Beam search against a search in NumPy over all sequences that it keeps."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from tests.generation.models import PROMPTS, Block, decoder, next_logits

VOCABULARY = 7


class Bigrams(Layer):
    """A model whose logits depend on the last two tokens."""

    def build(self, ids_shape):
        self.table = self.add_weight((VOCABULARY,) * 3, "normal")

    def call(self, ids):
        before = jnp.pad(ids, ((0, 0), (1, 0)))[:, :-1]
        return self.table.value[before, ids]


@pytest.fixture(scope="module")
def model():
    """One model, whose table the tests set, so that they share its programs."""
    model = Bigrams()
    with pytest.warns(UserWarning, match="generates slowly"):
        lamina.generate(model, [[1, 2], [3], [4, 5, 6, 0]], 6, num_beams=3)
    return model


def log_probabilities(model, seed):
    """The logarithms of probabilities with a new table of the model."""
    table = 2 * np.random.default_rng(seed).normal(size=(VOCABULARY,) * 3).astype("float32")
    model.set_values({"table": table})
    return table - np.log(np.exp(table).sum(-1, keepdims=True))


def search(log_p, prompt, count, beams, stop, exponent, penalty=1.0):
    """The best sequence of a beam search, one hypothesis after the other."""
    running, finished, is_open = [(0.0, [])], [], True
    keep = max(2, 1 + len(stop)) * beams
    for step in range(1, count + 1):
        continuations = []
        for total, new in running:
            ids = [0, *prompt, *new]
            each = log_p[ids[-2], ids[-1]].copy()
            seen = np.unique(ids[1:])
            each[seen] = np.where(each[seen] > 0, each[seen] / penalty, each[seen] * penalty)
            continuations += [(total + each[token], [*new, token]) for token in range(VOCABULARY)]
        continuations = sorted(continuations, key=lambda one: -one[0])[:keep]
        ends = [new[-1] in stop or step == count for _, new in continuations]
        if is_open:
            finished += [
                (total / step**exponent, new)
                for (total, new), end in list(zip(continuations, ends, strict=True))[:beams]
                if end
            ]
            finished = sorted(finished, key=lambda one: -one[0])[:beams]
        rest = zip(continuations, ends, strict=True)
        running = [one for one, end in rest if not end][:beams]
        full = len(finished) == beams
        if not running or (full and running[0][0] / step**exponent <= finished[-1][0]):
            is_open = False
    return finished[0][1]


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5, -1.0])
@pytest.mark.parametrize("stop", [(), (3,), (1, 4, 5)])
def test_the_best_sequence_is_that_of_a_search_in_numpy(model, stop, exponent):
    prompts = [[1, 2], [3], [4, 5, 6, 0]]
    for seed in range(3):
        log_p = log_probabilities(model, seed)
        found = lamina.generate(model, prompts, 6, num_beams=3, stop=stop, length_penalty=exponent)
        expected = [search(log_p, prompt, 6, 3, stop, exponent) for prompt in prompts]
        assert [one.tolist() for one in found] == expected


def test_repetition_is_penalized_in_log_probabilities(model):
    prompts = [[1, 2], [3, 3, 3]]
    log_p = log_probabilities(model, 5)
    found = lamina.generate(model, prompts, 5, num_beams=3, stop=2, repetition_penalty=1.7)
    expected = [search(log_p, prompt, 5, 3, (2,), 1.0, 1.7) for prompt in prompts]
    assert [one.tolist() for one in found] == expected


@pytest.mark.filterwarnings("error")  # of recomputing
def test_caches_follow_their_hypotheses():
    rotary = layers.RotaryEmbedding()
    block = Block(layers.GroupedQueryAttention(8, 4, 2, sliding_window=3, rotary=rotary))
    model = decoder(block, block)
    found = lamina.generate(model, PROMPTS, 5, num_beams=4, stop=39)

    def expected(prompt):
        running, finished = [(0.0, list(prompt))], []
        for step in range(1, 6):
            continuations = []
            for total, ids in running:
                logits = next_logits(model, ids)
                each = logits - np.log(np.exp(logits).sum())
                continuations += [(total + each[t], [*ids, t]) for t in range(len(each))]
            continuations = sorted(continuations, key=lambda one: -one[0])[:8]
            finished += [
                (total / step, ids)
                for total, ids in continuations[:4]
                if ids[-1] == 39 or step == 5
            ]
            running = [one for one in continuations if one[1][-1] != 39][:4]
        return max(finished)[1][len(prompt) :]

    assert [one.tolist() for one in found] == [expected(prompt) for prompt in PROMPTS]
