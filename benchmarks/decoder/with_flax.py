"""Flax NNX: `nnx.jit` with `nnx.cached_partial`, as its performance guide recommends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.decoder import NORM_EPSILON, Problem
from benchmarks.mlp.with_flax import cached, trained


class Block(nnx.Module):
    def __init__(self, problem: Problem, index: int) -> None:
        rngs, features, heads = nnx.Rngs(0), problem.features, problem.heads

        def weight(name: str) -> np.ndarray:
            return problem.weights[f"{index}.{name}"]

        self.first_norm = nnx.LayerNorm(features, epsilon=NORM_EPSILON, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            heads, features, use_bias=True, decode=False, rngs=rngs
        )
        for name in ("query", "key", "value"):
            layer = getattr(self.attention, name)
            layer.kernel[...] = weight(name).reshape(features, heads, -1)
        self.attention.out.kernel[...] = weight("output").reshape(heads, -1, features)
        self.second_norm = nnx.LayerNorm(features, epsilon=NORM_EPSILON, rngs=rngs)
        self.up = nnx.Linear(features, 4 * features, rngs=rngs)
        self.down = nnx.Linear(4 * features, features, rngs=rngs)
        self.up.kernel[...], self.down.kernel[...] = weight("up"), weight("down")

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        x = x + self.attention(self.first_norm(x), mask=mask)
        return x + self.down(nnx.gelu(self.up(self.second_norm(x)), approximate=False))


class Decoder(nnx.Module):
    def __init__(self, problem: Problem) -> None:
        rngs, features, weights = nnx.Rngs(0), problem.features, problem.weights
        self.tokens = nnx.Embed(problem.vocabulary, features, rngs=rngs)
        self.places = nnx.Embed(problem.time, features, rngs=rngs)
        self.blocks = nnx.List([Block(problem, index) for index in range(problem.blocks)])
        self.norm = nnx.LayerNorm(features, epsilon=NORM_EPSILON, rngs=rngs)
        self.logits = nnx.Linear(features, problem.vocabulary, use_bias=False, rngs=rngs)
        self.tokens.embedding[...], self.places.embedding[...] = (
            weights["tokens"],
            weights["places"],
        )
        self.logits.kernel[...] = weights["logits"]

    def __call__(self, ids: jax.Array) -> jax.Array:
        x = self.tokens(ids) + self.places(jnp.arange(ids.shape[1]))
        mask = nnx.make_causal_mask(ids)
        for block in self.blocks:
            x = block(x, mask)
        return self.logits(self.norm(x))


def forward(problem: Problem) -> Callable[[], Any]:
    run = cached(lambda model, ids: model(ids), Decoder(problem))
    ids = jax.device_put(problem.ids[:, :-1])
    return lambda: run(ids).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    return trained(Decoder(problem), problem.ids[:, :-1], problem.ids[:, 1:])
