"""Lamina: GPT-2 as a model of layers; `lamina.generate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from benchmarks.generation import Problem
from lamina import Layer, Model, layers


class Block(Layer):
    """A block of GPT-2."""

    def __init__(self, features: int, heads: int) -> None:
        self.ln_1 = layers.LayerNormalization(epsilon=1e-5)
        self.attention = layers.MultiHeadAttention(heads, features // heads)
        self.ln_2 = layers.LayerNormalization(epsilon=1e-5)
        self.up = layers.Dense(4 * features, jax.nn.gelu)
        self.down = layers.Dense(features)

    def call(self, x: jax.Array) -> jax.Array:
        h = self.ln_1(x)
        x = x + self.attention(h, h, use_causal_mask=True)
        return x + self.down(self.up(self.ln_2(x)))


class GPT2(Model):
    """GPT-2, whose table of ids is also the kernel of its logits."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.tokens = layers.ReversibleEmbedding(problem.vocabulary, problem.features)
        self.positions = layers.Embedding(problem.positions, problem.features)
        self.blocks = [Block(problem.features, problem.heads) for _ in range(problem.blocks)]
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, ids: jax.Array) -> jax.Array:
        x = self.tokens(ids) + self.positions(jnp.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.tokens(self.norm(x), reverse=True)


def values_of(problem: Problem) -> dict[str, np.ndarray]:
    """The weights by the paths of the model."""
    weights, features, heads = problem.weights, problem.features, problem.heads
    size = features // heads
    found = {
        "tokens.embeddings": weights["wte.weight"],
        "positions.embeddings": weights["wpe.weight"],
        "norm.gamma": weights["ln_f.weight"],
        "norm.beta": weights["ln_f.bias"],
    }
    for index in range(problem.blocks):
        ours, theirs = f"blocks.{index}", f"h.{index}"
        for name in ("ln_1", "ln_2"):
            found[f"{ours}.{name}.gamma"] = weights[f"{theirs}.{name}.weight"]
            found[f"{ours}.{name}.beta"] = weights[f"{theirs}.{name}.bias"]
        for name, their in (("up", "mlp.c_fc"), ("down", "mlp.c_proj")):
            found[f"{ours}.{name}.kernel"] = weights[f"{theirs}.{their}.weight"]
            found[f"{ours}.{name}.bias"] = weights[f"{theirs}.{their}.bias"]
        kernels = np.split(weights[f"{theirs}.attn.c_attn.weight"], 3, 1)
        biases = np.split(weights[f"{theirs}.attn.c_attn.bias"], 3)
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            found[f"{ours}.attention.{name}.kernel"] = kernel.reshape(features, heads, size)
            found[f"{ours}.attention.{name}.bias"] = bias.reshape(heads, size)
        kernel, bias = (weights[f"{theirs}.attn.c_proj.{part}"] for part in ("weight", "bias"))
        output = f"{ours}.attention.attention_output"
        found[f"{output}.kernel"] = kernel.reshape(heads, size, features)
        found[f"{output}.bias"] = bias
    return found


def generate(problem: Problem) -> Callable[[], Any]:
    model = GPT2(problem)
    model.build(lamina.Spec((None, None), "int32"))
    model.set_values(values_of(problem))
    return lambda: np.stack(
        lamina.generate(model, problem.rows, problem.new, num_beams=problem.beams)
    )
