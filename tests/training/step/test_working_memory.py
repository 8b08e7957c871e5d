"""Compiled steps whose working memory comes in pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from lamina.training.step import working_memory
from lamina.training.step.working_memory import PIECE, compiled, largest

pytestmark = pytest.mark.as_users_run

SIDE = 1024  # a square of float32 is 4 MiB


@pytest.fixture
def no_disk():
    """JAX keeps no programs on disk."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", before)
    reset_cache()


def chain(x, count=9):
    """Squares that must all stand in memory at once."""
    squares = [jnp.sin(x + i) @ x for i in range(count)]
    return x, sum(a @ b for a, b in zip(squares, reversed(squares), strict=True))


def test_numbers_are_the_same(no_disk):
    x = jnp.ones((SIDE, SIDE)) / SIDE
    np.testing.assert_allclose(compiled(chain)(x)[1], jax.jit(chain)(x)[1], rtol=1e-5)


def test_a_kind_of_batch_is_traced_once(no_disk):
    traced = []

    def double(x):
        traced.append(x.shape)
        return x * 2

    run = compiled(double)
    for size in (3, 3, 5, 3, 5):
        np.testing.assert_array_equal(run(np.ones(size, "float32")), 2)
    assert traced == [(3,), (5,)]


def test_what_fits_in_no_piece_is_compiled_plainly_and_says_nothing(no_disk, capfd):
    traced = []

    def outer(x):
        traced.append(x.shape)
        return (x[:, None] * x @ x).sum()

    run = compiled(outer)
    small, large = np.ones(10, "float32"), np.ones(int((PIECE / 4) ** 0.5) + 8, "float32")
    for x in (small, large, small, large):
        assert run(x) == pytest.approx(len(x) ** 2, rel=1e-4)
    assert traced == [small.shape, large.shape]
    assert capfd.readouterr().err == ""


def test_what_may_be_used_up_is_used_up(no_disk):
    def more(x, y):
        return x + y

    x = jnp.ones((4, 4))
    assert compiled(more)(x, x).sum() == 32 and not x.is_deleted()
    assert compiled(more, donate=True)(x, jnp.ones((4, 4))).sum() == 32 and x.is_deleted()


def test_programs_that_jax_keeps_on_disk_stay_whole(tmp_path, recwarn):
    wanted = {
        "jax_compilation_cache_dir": str(tmp_path),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    for name, value in wanted.items():
        jax.config.update(name, value)
    reset_cache()
    try:
        compiled(lambda x: chain(x, 10))(jnp.ones((SIDE, SIDE)) / SIDE)
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        reset_cache()
    assert list(tmp_path.iterdir())
    assert not [str(warned.message) for warned in recwarn]


def test_a_compiler_that_does_not_know_pieces_is_not_asked_again(no_disk, monkeypatch):
    monkeypatch.setattr(working_memory, "OPTION", "xla_size_of_pieces")
    run = compiled(chain)
    for _ in range(2):
        assert run(jnp.ones((4, 4)))[1].shape == (4, 4)


def test_an_error_in_the_function_is_its_own():
    with pytest.raises(ZeroDivisionError):
        compiled(lambda x: x / (1 // 0))(jnp.ones(2))


def test_without_compilation_it_is_the_function():
    assert compiled(chain, jit=False) is chain


def test_the_largest_array_is_found_in_loops_and_branches():
    def wide(x):
        return (x[:, None] * x).sum(0)

    def looped(x):
        def body(i, x):
            return jax.lax.cond(x.sum() > 0, wide, lambda x: x, x)

        return jax.lax.fori_loop(0, 3, body, x)

    for function in (wide, looped, jax.jit(looped), jax.checkpoint(wide)):
        assert largest(jax.make_jaxpr(function)(jnp.ones(50))) == 50 * 50 * 4
    assert largest(jax.make_jaxpr(lambda x: x)(jnp.ones(50))) == 0
