"""Lamina: `generate`, compared with compiled steps and a search in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from benchmarks.search import Problem
from lamina.seq2seq import Seq2Seq

IMPOSSIBLE = -1e4
LOGIT_SCALE = 30  # of the random model, so that rounding does not decide between outputs


class Stepping(Seq2Seq):
    """A translator with a single decoding step."""

    def begin(self, source: jax.Array) -> Any:
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        return (values, mask, self.decoder.attention.keys(values)), state

    def advance(self, token: jax.Array, read: Any, state: Any) -> Any:
        values, mask, keys = read
        logits, state = self.decoder(token[:, None], values, state, mask, keys)
        return jax.nn.log_softmax(logits[:, 0]), state


def model_of(problem: Problem) -> Stepping:
    size = problem.vocabulary
    model = Stepping(size, size, embedding=problem.embedding, units=problem.units)
    model.build(problem.rows, problem.rows, seed=0)
    values = model.values()
    kernel, bias = values["decoder.output.kernel"], values["decoder.output.bias"]
    values["decoder.output.kernel"] = kernel * LOGIT_SCALE
    values["decoder.output.bias"] = bias.at[model.end].set(IMPOSSIBLE)
    model.set_values(values)
    return model


def compiled(problem: Problem) -> Callable[[], Any]:
    generate, rows = lamina.jit(model_of(problem), method="generate"), jnp.asarray(problem.rows)
    return lambda: generate(rows, problem.length, problem.beam).log_probability


def by_steps(problem: Problem) -> Callable[[], Any]:
    search = _search(problem)
    return lambda: search(problem.rows)


def row_by_row(problem: Problem) -> Callable[[], Any]:
    search = _search(problem)
    return lambda: np.concatenate([search(row[None]) for row in problem.rows])


def _search(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """The log-probability of the best output of each row."""
    model = model_of(problem)
    begin, advance = lamina.jit(model, method="begin"), lamina.jit(model, method="advance")
    beam, size = problem.beam, problem.vocabulary

    def search(rows: np.ndarray) -> np.ndarray:
        count = len(rows)
        read, state = jax.tree.map(lambda a: jnp.repeat(a, beam, 0), begin(jnp.asarray(rows)))
        token = np.full(count * beam, model.start, np.int32)
        log_p = np.where(np.arange(beam) == 0, np.zeros((count, 1)), -np.inf)
        texts = np.zeros((count, beam, 0), np.int32)
        for _ in range(problem.length):
            each, state = advance(jnp.asarray(token), read, state)
            joint = (log_p[..., None] + np.asarray(each).reshape(count, beam, size)).reshape(
                count, -1
            )
            best = np.argpartition(-joint, beam, -1)[:, :beam]
            log_p, (parent, token) = np.take_along_axis(joint, best, -1), np.divmod(best, size)
            texts = np.concatenate(
                [np.take_along_axis(texts, parent[..., None], 1), token[..., None]], -1
            )
            token = token.astype(np.int32).reshape(-1)
            at = jnp.asarray((np.arange(count)[:, None] * beam + parent).reshape(-1))
            state = jax.tree.map(lambda a, at=at: a[at], state)
        return log_p.max(-1).astype(np.float32)

    return search
