"""Lamina: the encoder, the decoder, the layer of logits and the optimizer, each jitted alone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.breakdown import BuildPart, StepPart
from benchmarks.building import with_lamina as building
from benchmarks.translation import with_lamina as translation
from lamina import layers, losses
from lamina.core.base.host_memory import on_device
from lamina.core.initial.sampling import draw
from lamina.ops.dense import dense
from lamina.seq2seq import AttentionDecoder, Encoder

Run = Callable[[], Any]


def total(outputs: Any) -> jax.Array:
    return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(outputs))


def below(problem: StepPart, path: str) -> dict[str, np.ndarray]:
    """The weights under a path, named from there on."""
    named = problem.weights.items()
    return {k.removeprefix(f"{path}."): a for k, a in named if k.startswith(f"{path}.")}


def encoder(problem: StepPart) -> Run:
    sizes = problem.vocabulary, problem.embedding, problem.units
    layer, source = Encoder(*sizes, bidirectional=False), jnp.asarray(problem.rows[0])
    layer.build(source)
    layer.set_values(below(problem, "encoder"))
    gradient = jax.jit(
        jax.grad(lambda values, source: total(layer.apply(values, source, source != 0)[0]))
    )
    values = layer.values()
    return lambda: gradient(values, source)


def decoder(problem: StepPart) -> Run:
    """All but the logits: the output layer is one of one unit."""
    layer = AttentionDecoder(problem.vocabulary, problem.embedding, problem.units)
    layer.output = layers.Dense(1)
    given = below(problem, "decoder")
    for name in ("output.kernel", "output.bias"):
        given[name] = given[name][..., :1]
    before, memory = jax.device_put((problem.rows[1], problem.memory))
    layer.build(before, *memory)
    layer.set_values(given)
    mask = jnp.asarray(problem.rows[0] != 0)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(values: Any, memory: Any, before: Any, mask: Any) -> jax.Array:
        return total(layer.apply(values, before, *memory, mask)[0][0])

    values = layer.values()
    return lambda: gradient(values, memory, before, mask)


def logits(problem: StepPart) -> Run:
    layer = layers.Dense(problem.vocabulary)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    states, labels = jax.device_put((problem.states, problem.rows[2]))
    layer.build(states)
    layer.set_values(below(problem, "decoder.output"))

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(values: Any, states: Any, labels: Any) -> jax.Array:
        return loss(labels, layer.apply(values, states)[0])

    values = layer.values()
    return lambda: gradient(values, states, labels)


def optimizer(problem: StepPart) -> Run:
    adam = translation.ADAM
    values, slopes = jax.device_put((problem.weights, problem.weights))
    state = adam.init(values)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(values: Any, state: Any, slopes: Any) -> Any:
        moves, state = adam.update(slopes, state, values)
        return optax.apply_updates(values, moves), state

    def run() -> Any:
        nonlocal values, state
        values, state = update(values, state, slopes)
        return values

    return run


STEP: Mapping[str, Callable[[StepPart], Run]] = {
    "whole step": translation.step,
    "encoder": encoder,
    "decoder without logits": decoder,
    "logits and loss": logits,
    "optimizer": optimizer,
}


def step_part(problem: StepPart) -> Run:
    return STEP[problem.part](problem)


def passes(problem: BuildPart) -> Run:
    return building.plan(problem)


def tracing(problem: BuildPart) -> Run:
    """The same arithmetic traced as often as a plan does, and nothing else."""
    size, fresh = problem.units, itertools.count(1)
    kernel, bias = (jax.ShapeDtypeStruct(shape, "float32") for shape in ((size, size), (size,)))

    def run() -> Any:
        for _ in range(2):

            def network(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
                for _ in range(problem.layers):
                    x = dense(x, kernel, bias)
                return x

            x = jax.ShapeDtypeStruct((next(fresh), size), "float32")  # JAX remembers sizes
            jax.eval_shape(network, x, kernel, bias)
        return problem.result(problem.layers * (size * size + size))

    return run


def drawing(problem: BuildPart) -> Run:
    model = building.model_of(problem)
    model.build((None, problem.units))
    variables = [(f"{index}", v) for index, v in enumerate(model.variables)]

    def run() -> Any:
        for path, v in variables:
            draw(v.initializer, v.shape, v.dtype, seed=(0, 0), path=path)
        return problem.result(sum(v.value.size for _, v in variables))

    return run


def placing(problem: BuildPart) -> Run:
    model = building.model_of(problem)
    model.build((None, problem.units))
    arrays = [np.array(v.value) for v in model.variables]

    def run() -> Any:
        placed = jax.block_until_ready(on_device(arrays))
        return problem.result(sum(array.size for array in placed))

    return run


BUILD: Mapping[str, Callable[[BuildPart], Run]] = {
    "whole build": building.build,
    "traced passes": passes,
    "JAX's tracing in them": tracing,
    "drawing": drawing,
    "placing": placing,
}


def build_part(problem: BuildPart) -> Run:
    return BUILD[problem.part](problem)
