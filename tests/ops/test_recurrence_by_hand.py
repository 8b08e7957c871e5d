"""Backward passes written by hand, against autodiff of the plain scan and finite differences."""

import os
import re
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from lamina.ops.recurrence import (
    AttentionWeights,
    Memory,
    attend,
    gru_cell,
    lstm_cell,
    recur,
    simple_rnn_cell,
)

CELLS = {  # with the number of arrays of the state
    "gru": (gru_cell(lax.tanh, lax.logistic), 1),
    "gru, other activations": (gru_cell(jax.nn.softplus, jax.nn.hard_sigmoid), 1),
    "lstm": (lstm_cell(lax.tanh, lax.logistic), 2),
    "simple": (simple_rnn_cell(lax.tanh), 1),
}
few = settings(deadline=None, max_examples=3)  # each compiles two programs


def drawing(dtype="float32"):
    rng = np.random.default_rng(0)
    return lambda *shape: np.asarray(rng.normal(size=shape) * 0.5, dtype)


def recurrence(name, batch=3, time=4, units=2, dtype="float32"):
    cell, arrays = CELLS[name]
    gates = cell.gates
    normal = drawing(dtype)
    inputs = {
        "projected": normal(batch, time, gates * units),
        "start": tuple(normal(batch, units) for _ in range(arrays)),
        "kernel": normal(units, gates * units),
        "bias": normal(*bias_shape(cell, units)),
        "factors": normal(batch, units),
    }
    return cell, inputs


def bias_shape(cell, units):
    """One row for the input and one for the state, where not all of their shares are summed."""
    return (cell.gates * units,) if cell.shared == cell.gates else (2, cell.gates * units)


def attention(name, batch=3, source=5, time=4, units=2, size=3, channels=4, additive=True):
    cell, arrays = CELLS[name]
    gates = cell.gates
    normal = drawing()
    inputs = {
        "projected": normal(batch, time, gates * units),
        "start": tuple(normal(batch, units) for _ in range(arrays)),
        "keys": normal(batch, source, size),
        "values": normal(batch, source, channels),
        "weights": AttentionWeights(
            normal(units, size),
            normal(size) if additive else None,
            normal(channels, gates * units),
            normal(units, gates * units),
            normal(*bias_shape(cell, units)),
        ),
    }
    return cell, inputs


def loss(tree):
    wide = [leaf.astype(jnp.promote_types(leaf, "float32")) for leaf in jax.tree.leaves(tree)]
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in wide)


def slopes(run, plain):
    """A program of the loss of `run(inputs, plain)` and its gradients."""
    return jax.jit(jax.value_and_grad(lambda given: loss(run(given, plain))))


def same(ours, theirs, rtol=1e-4, atol=1e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            np.asarray(a, "float32"), np.asarray(b, "float32"), rtol=rtol, atol=atol
        ),
        ours,
        theirs,
    )


def same_gradients(run, inputs, rtol=1e-4, atol=1e-5):
    """Of `run(inputs, plain)`, by hand and by autodiff."""
    both = jax.jit(lambda given: [slopes(run, plain)(given) for plain in (False, True)])
    same(*both(inputs), rtol, atol)


def running(cell, mask=None, reverse=False):
    def run(given, plain):
        given = dict(given)
        first = [given.pop(name) for name in ("projected", "start", "kernel")]
        return recur(cell, *first, mask=mask, reverse=reverse, plain=plain, **given)

    return run


def attending(cell, mask=None):
    def run(given, plain):
        memory = Memory(given["keys"], given["values"], mask)
        weights = given["weights"]
        return attend(cell, given["projected"], given["start"], memory, weights, plain=plain)

    return run


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_those_of_autodiff(name, reverse) -> None:
    cell, inputs = recurrence(name)
    mask = np.random.default_rng(1).random((3, 4)) < 0.6
    plain = jax.jit(  # one program, of a mask and of none
        lambda given, mask: slopes(running(cell, mask, reverse), True)(given)
    )
    same(slopes(running(cell, mask, reverse), False)(inputs), plain(inputs, mask))
    bare = inputs | {"bias": None, "factors": None}
    whole = {"bias": np.zeros_like(inputs["bias"]), "factors": np.ones_like(inputs["factors"])}
    total, expected = plain(inputs | whole, np.ones_like(mask))
    wanted = total, expected | {"bias": None, "factors": None}
    same(slopes(running(cell, None, reverse), False)(bare), wanted)


@few
@given(*[st.integers(1, 4)] * 3)
def test_gradients_at_any_sizes(batch, time, units) -> None:
    cell, inputs = recurrence("lstm", batch, time, units)
    same_gradients(running(cell), inputs)


@pytest.mark.parametrize(("name", "reverse"), [("gru", False), ("lstm", True)])
def test_gradients_over_many_steps(name, reverse) -> None:
    """There the kernel is turned once, rather than in each step."""
    cell, inputs = recurrence(name, time=40)
    mask = np.random.default_rng(1).random((3, 40)) < 0.6
    same_gradients(running(cell, mask, reverse), inputs)


@pytest.mark.as_users_run
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_gradients_of_large_kernels(name) -> None:
    """There the product with the kernel is transposed."""
    cell, inputs = recurrence(name, 2, 3, 420)
    mask = jnp.asarray([[True, True, False], [True, False, True]])
    inputs["kernel"] = inputs["kernel"] * 0.1
    same_gradients(running(cell, mask), inputs)
    assert not copies_in_loops(running(cell), inputs, 3)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_gradients_in_half_precision(name) -> None:
    cell, inputs = recurrence(name, dtype="bfloat16")
    same_gradients(running(cell), inputs, rtol=0.1, atol=0.1)


def same_differences(run, inputs):
    """Of the loss by hand, along a random direction: gradients, and differences of values."""
    inputs = jax.tree.map(lambda leaf: np.asarray(leaf, "float64"), inputs)
    rng = np.random.default_rng(3)
    way = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), inputs)
    program = slopes(run, False)

    def total(size):
        return program(jax.tree.map(lambda leaf, part: leaf + size * part, inputs, way))[0]

    gradients = jax.tree.leaves(program(inputs)[1])
    along = sum(np.vdot(a, b) for a, b in zip(gradients, jax.tree.leaves(way), strict=True))
    np.testing.assert_allclose(along, (total(1e-5) - total(-1e-5)) / 2e-5, rtol=1e-6)


@pytest.mark.parametrize("name", ["gru", "lstm", "simple"])
def test_gradients_are_those_of_finite_differences(name) -> None:
    with jax.enable_x64(True):
        cell, inputs = recurrence(name, 2, 3, 2, "float64")
        same_differences(running(cell), inputs)


def same_curvature(run, inputs, name) -> None:
    """Of second derivatives by one of the inputs, by hand and by autodiff."""

    def slope(array, plain):
        return jax.grad(lambda a: loss(run(inputs | {name: a}, plain)))(array)

    array = np.asarray(inputs[name])
    found = jax.jit(jax.grad(lambda a: slope(a, False).sum()))(array)
    # By autodiff forwards, which takes less time: a Hessian is symmetric.
    forwards = jax.jit(lambda a, way: jax.jvp(lambda a: slope(a, True), (a,), (way,))[1])
    np.testing.assert_allclose(found, forwards(array, np.ones_like(array)), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("time", [3, 20])
def test_second_derivatives(time) -> None:
    cell, inputs = recurrence("gru", 2, time, 2)
    same_curvature(running(cell), inputs, "kernel")


@pytest.mark.parametrize("additive", [True, False])
def test_second_derivatives_with_attention(additive) -> None:
    cell, inputs = attention("gru", 2, 3, 2, additive=additive)
    same_curvature(attending(cell), inputs, "values")


@pytest.mark.as_users_run
def test_second_derivatives_take_memory_by_the_step() -> None:
    """Ten times the steps are ten times the memory, not a hundred times."""

    def needed(time):
        cell, inputs = recurrence("gru", 8, time, 8)
        run = running(cell)

        def slope(kernel):
            return jax.grad(lambda k: loss(run(inputs | {"kernel": k}, False)))(kernel).sum()

        program = jax.jit(jax.grad(slope)).lower(inputs["kernel"]).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert needed(400) < 15 * needed(40)


def copies_in_loops(run, inputs, steps) -> list[str]:
    """Of arrays of all steps, in the program of the gradients."""
    slopes = jax.grad(lambda given: loss(run(given, False)))
    text = jax.jit(slopes).lower(inputs).compile().as_text()
    parts = {part.split(" ")[0].lstrip("%"): part for part in re.split(r"\n(?=%|ENTRY )", text)}
    bodies = set(re.findall(r"body=%([\w.\-]+)", text))
    assert len(bodies) >= 2, "a loop forwards and a loop backwards"
    lines = [line for body in bodies for line in parts[body].splitlines() if " copy(" in line]
    return [line for line in lines if re.search(rf"[\[,]{steps}[,\]]", line.split(" copy(")[0])]


@pytest.mark.as_users_run
@pytest.mark.parametrize(
    ("name", "time", "masked"),
    [
        ("gru", 13, False),
        ("gru", 37, True),
        ("lstm", 13, True),
        ("lstm", 37, False),
        ("simple", 37, True),
    ],
)
def test_no_step_copies_all_steps(name, time, masked) -> None:
    """Sums and gradients stand where the shares did; XLA copies all of an array that is read
    after a part of it is written."""
    cell, inputs = recurrence(name, 4, time, 8)
    mask = jnp.ones((4, time), bool) if masked else None
    assert not copies_in_loops(running(cell, mask), inputs, time)


@pytest.mark.as_users_run
@pytest.mark.parametrize(("name", "additive"), [("gru", True), ("lstm", False)])
def test_no_step_with_attention_copies_all_steps(name, additive) -> None:
    cell, inputs = attention(name, 4, 5, 13, 8, 8, 8, additive=additive)
    assert not copies_in_loops(attending(cell), inputs, 13)


@pytest.mark.parametrize(
    ("name", "additive", "bare"),
    [("gru", True, False), ("gru", False, True), ("lstm", True, True), ("lstm", False, False)],
)
def test_gradients_with_attention_are_those_of_autodiff(name, additive, bare) -> None:
    """Each option, and each pair of them: a cell, its scores, a mask, a bias or none."""
    cell, inputs = attention(name, additive=additive)
    mask = np.arange(5) < np.asarray([[3], [5], [0]])  # one row has no place at all
    if bare:
        mask, inputs["weights"] = None, inputs["weights"]._replace(bias=None)
    same_gradients(attending(cell, mask), inputs)


@few
@given(*[st.integers(1, 3)] * 6)
def test_gradients_with_attention_at_any_sizes(batch, source, time, units, size, channels) -> None:
    cell, inputs = attention("gru", batch, source, time, units, size, channels)
    same_gradients(attending(cell), inputs)


def test_gradients_with_attention_are_those_of_finite_differences() -> None:
    with jax.enable_x64(True):
        cell, inputs = attention("gru", 2, 3, 2)
        same_differences(attending(cell), inputs)


def test_gradients_over_devices_are_those_of_one() -> None:
    """In `shard_map` the weights are whole on each device and the batch is split."""
    code = textwrap.dedent("""
        import jax, jax.numpy as jnp, numpy as np
        from jax import lax
        from jax.sharding import Mesh, PartitionSpec as P
        from lamina.ops.recurrence import gru
        mesh = Mesh(np.array(jax.devices()), ("d",))
        normal = lambda *shape: jnp.asarray(np.random.default_rng(0).normal(size=shape), "float32")
        x, weights = normal(4, 3, 2), (normal(2, 6), normal(2, 6), normal(2, 6))
        def loss(weights, x):
            return jnp.sin(gru(x, *weights)[0]).sum()
        expected = jax.jit(jax.grad(loss))(weights, x)
        def part(weights, x):
            return jax.grad(lambda w: lax.psum(loss(w, x), "d"))(weights)
        split = jax.shard_map(part, mesh=mesh, in_specs=(P(), P("d")), out_specs=P())
        found = jax.jit(split)(weights, x)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
                     found, expected)
    """)
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_few_steps_turn_no_array(name) -> None:
    """XLA on CPU takes longer to compile one transpose than several of a step's loops."""

    def turns(time):
        cell, inputs = recurrence(name, time=time)
        run = running(cell, np.ones((3, time), bool))
        return str(jax.make_jaxpr(jax.grad(lambda given: loss(run(given, False))))(inputs)).count(
            "transpose["
        )

    assert (turns(16), turns(17)) == (0, 1)
    cell, inputs = attention(name)
    run = attending(cell, np.ones((3, 5), bool))
    program = jax.make_jaxpr(jax.grad(lambda given: loss(run(given, False))))(inputs)
    assert "transpose[" not in str(program)
