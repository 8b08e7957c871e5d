"""The check of gradients in each step: what it finds, and how it is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.training.step.gradient_check import gradients_are_finite

SHAPES = [(7, 128), (128,), (32, 1), (1,), (), (5,), (3, 43)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_each_element_of_small_gradients_is_read(bad):
    check = jax.jit(gradients_are_finite)
    assert check([jnp.ones(shape) for shape in SHAPES])
    for number, shape in enumerate(SHAPES):
        for place in {0, int(np.prod(shape)) // 2, int(np.prod(shape)) - 1}:
            gradients = [np.ones(one, "float32") for one in SHAPES]
            gradients[number].flat[place] = bad
            assert not check(gradients)


def test_nothing_is_padded():
    # a padded operand in a loop of XLA on the CPU is read behind its end on some processors
    program = jax.jit(gradients_are_finite).lower([jnp.ones(shape) for shape in SHAPES])
    assert "pad" not in program.as_text()
