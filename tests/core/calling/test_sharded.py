"""First reach inside `shard_map` over several devices, which a process of its own pretends to."""

from collections.abc import Iterator

import pytest

from tests.devices import Run, process_with_devices

PRELUDE = """
    import jax, jax.numpy as jnp, numpy as np
    import lamina
    from jax.sharding import Mesh, PartitionSpec as P
    from lamina import layers
    from lamina.errors import BuildError

    mesh = Mesh(np.array(jax.devices()), ("d",))
    x = jax.random.normal(jax.random.key(0), (8, 12))

    def model():
        lamina.set_seed(0)
        return lamina.Sequential([layers.Dense(5, "relu"), layers.Dense(3)])

    def sharded(net, *specs, **options):
        return jax.shard_map(net, mesh=mesh, in_specs=specs, out_specs=P("d"), **options)

    expected = model()
    outputs = expected(x)
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs programs in one process with four devices, and returns what they print."""
    with process_with_devices(4, PRELUDE) as ask:
        yield ask


@pytest.mark.parametrize("wrap", ["", "jax.jit"])
def test_a_split_batch_builds_the_same_weights(wrap, run: Run) -> None:
    run(f"""
        for options in {{}}, {{"check_vma": False}}:
            net = model()
            found = {wrap}(sharded(lambda x: net(x), P("d"), **options))(x)
            np.testing.assert_allclose(found, outputs, rtol=1e-6)
            for path, value in expected.values().items():
                np.testing.assert_array_equal(net.values()[path], value)
    """)


def test_what_is_made_of_a_split_batch_is_taken_to_be_split(run: Run) -> None:
    run("""
        net = model()
        sharded(lambda x: net(jnp.concatenate([x, x * 2], -1)), P("d"))(x)
        assert net.layers[0].kernel.shape == (24, 5)
    """)


@pytest.mark.parametrize("wrap", ["", "jax.jit"])
def test_a_weight_that_needs_a_split_axis_says_to_build_first(wrap, run: Run) -> None:
    out = run(f"""
        net = model()
        for given in (lambda x: x), (lambda x: jnp.tanh(x)):
            try:
                {wrap}(sharded(lambda x: net(given(x))[:1], P(None, "d")))(x)
            except BuildError as error:
                print(error)
            else:
                raise SystemExit("no error")
            assert not net.built and net.variables == []
        net.build((8, 12))
    """)
    assert "a dim that shard_map splits" in out
    assert "Build the model before, with the shape of the whole input." in out


def test_an_input_that_is_whole_on_each_device_is_not_taken_to_be_split(run: Run) -> None:
    run("""
        net = model()
        whole = jnp.ones((8, 3))  # of the size that a part of x has
        sharded(lambda x, y: x.sum() + net(y)[:1], P(None, "d"), P())(x, whole)
        assert net.layers[0].kernel.shape == (3, 5)
    """)


def test_a_program_for_one_size_alone_is_planned_with_it(run: Run) -> None:
    run("""
        class Fixed(lamina.Layer):
            def __init__(self):
                self.dense = layers.Dense(3)
            def call(self, x):
                return self.dense(x.reshape(2, 12))
        net = Fixed()
        assert sharded(lambda x: net(x), P("d"))(x).shape == (8, 3)
    """)
