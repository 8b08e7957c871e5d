"""Raw JAX: the same parts of its step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.breakdown import StepPart
from benchmarks.translation import with_jax as translation

Run = Callable[[], Any]


def total(outputs: Any) -> jax.Array:
    return sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(outputs))


def below(problem: StepPart, path: str) -> dict[str, jax.Array]:
    weights = {name: jnp.asarray(a) for name, a in problem.weights.items()}
    return {name: a for name, a in weights.items() if name.startswith(f"{path}.")}


def named(gradients: dict[str, Any], path: str) -> dict[str, Any]:
    """Gradients with paths relative to the part."""
    return {name.removeprefix(f"{path}."): gradient for name, gradient in gradients.items()}


def encoder(problem: StepPart) -> Run:
    weights, source = below(problem, "encoder"), jnp.asarray(problem.rows[0])
    gradient = jax.jit(jax.grad(lambda w, source: total(translation.encode(w, source))))
    return lambda: named(gradient(weights, source), "encoder")


def decoder(problem: StepPart) -> Run:
    weights = below(problem, "decoder")
    for name in ("decoder.output.kernel", "decoder.output.bias"):
        weights[name] = weights[name][..., :1]
    before, memory = jax.device_put((problem.rows[1], problem.memory))
    mask = jnp.asarray(problem.rows[0] != 0)

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(w: Any, memory: Any, before: Any, mask: Any) -> jax.Array:
        states = translation.decode(w, before, *memory, mask)
        return total(states @ w["decoder.output.kernel"] + w["decoder.output.bias"])

    def run() -> Any:
        gradients, by_memory = gradient(weights, memory, before, mask)
        return named(gradients, "decoder"), by_memory

    return run


def logits(problem: StepPart) -> Run:
    weights = below(problem, "decoder.output")
    states, labels = jax.device_put((problem.states, problem.rows[2]))
    gradient = jax.jit(jax.grad(translation.loss_of_states, argnums=(0, 1)))

    def run() -> Any:
        gradients, by_states = gradient(weights, states, labels)
        return named(gradients, "decoder.output"), by_states

    return run


def optimizer(problem: StepPart) -> Run:
    adam = translation.OPTIMIZER
    values, gradients = jax.device_put((problem.weights, problem.weights))
    state = adam.init(values)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def update(values: Any, state: Any, gradients: Any) -> Any:
        updates, state = adam.update(gradients, state)
        return optax.apply_updates(values, updates), state

    def run() -> Any:
        nonlocal values, state
        values, state = update(values, state, gradients)
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
