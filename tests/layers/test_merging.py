"""Merging layers: Keras's numbers, gradients and masks, errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.layers import Add, Concatenate, Dot, Maximum, Multiply, Subtract

NAMES = ["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"]


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), "float32") for shape in shapes]


def agree(ours, theirs, arrays) -> None:
    """Outputs and gradients of two layers on one list are the same."""

    def both(arrays):
        pairs = [jax.vjp(call, arrays) for call in (lambda x: ours.apply({}, x)[0], theirs)]
        return [(y, pull(jnp.cos(y))[0]) for y, pull in pairs]

    (y, slopes), (expected, wanted) = jax.jit(both)(arrays)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    for slope, other in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(slope, other, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=3)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(2, 4))
@pytest.mark.parametrize("name", NAMES)
def test_merging_equals_keras(name, shape, count) -> None:
    arrays = draw(*[shape] * (2 if name == "Subtract" else count))
    agree(getattr(layers, name)(), getattr(keras.layers, name)(), arrays)


@pytest.mark.parametrize(
    "shapes",
    [[(2, 3, 4), (2, 4)], [(2, 3, 4), (2, 1, 4)], [(2, 1), (2, 3)], [(2, 3), (2, 5, 4, 3)]],
)
@pytest.mark.parametrize("name", NAMES)
def test_broadcasting_equals_keras(name, shapes) -> None:
    agree(getattr(layers, name)(), getattr(keras.layers, name)(), draw(*shapes))


@pytest.mark.parametrize("name", ["Add", "Average", "Maximum", "Minimum", "Multiply"])
def test_one_array_is_enough(name) -> None:
    (x,) = draw((2, 3))
    np.testing.assert_array_equal(getattr(layers, name)()([x]), x)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", ["Maximum", "Minimum", "Multiply"])
def test_masked_merging_equals_keras(name, count) -> None:
    arrays = draw(*[(4, 5, 3)] * count)
    rng = np.random.default_rng(1)
    masks = [jnp.asarray(rng.random((4, 5)) < 0.6) for _ in arrays]
    for given_masks in (masks, [*masks[:-1], None], [None, *masks[1:]]):
        marked = [jnp.array(x) for x in arrays]
        for x, mask in zip(marked, given_masks, strict=True):
            if mask is not None:
                keras.src.backend.set_keras_mask(x, mask)
        expected = getattr(keras.layers, name)()(marked)
        ours = getattr(layers, name)()(arrays, mask=given_masks)
        np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_masks_of_arrays_of_other_ranks() -> None:
    x, y = draw((2, 3, 4), (2, 4))
    masks = [jnp.array([[True, False, True]] * 2), jnp.array([True, False])]
    got = np.asarray(Maximum()([x, y], mask=masks))
    spread = np.broadcast_to(np.asarray(y)[:, None], x.shape)
    np.testing.assert_array_equal(got[0, 1], spread[0, 1])
    np.testing.assert_array_equal(got[1], x[1])
    np.testing.assert_array_equal(got[0, 0], np.maximum(x[0, 0], spread[0, 0]))


@pytest.mark.parametrize("name", [*NAMES, "Concatenate"])
def test_masks_of_outputs_equal_keras(name) -> None:
    x = draw((2, 3, 4), (2, 3, 4))
    one, other = jnp.array([[True, False, False]] * 2), jnp.array([[True, True, False]] * 2)
    ours, theirs = getattr(layers, name)(), getattr(keras.layers, name)()
    for masks in ([one, other], [one, None], [None, None], None):
        expected = theirs.compute_mask(x, masks)
        found = ours.compute_mask(x, masks)
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_array_equal(found, expected)
    assert Dot(-1).compute_mask(x, [one, other]) is None


def test_the_mask_of_what_follows_along_time() -> None:
    x = draw((2, 3, 4), (2, 2, 4))
    masks = [jnp.array([[True, False, True]] * 2), None]
    for given_masks in (masks, [None, jnp.zeros((2, 2), bool)]):
        expected = keras.layers.Concatenate(1).compute_mask(x, given_masks)
        np.testing.assert_array_equal(Concatenate(1).compute_mask(x, given_masks), expected)


@settings(deadline=None, max_examples=4)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), st.data())
def test_concatenate_equals_keras(shape, data) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    shapes = [[*shape] for _ in sizes]
    for each, size in zip(shapes, sizes, strict=True):
        each[axis] = size
    arrays = draw(*shapes)
    np.testing.assert_array_equal(Concatenate(axis)(arrays), np.concatenate(arrays, axis))
    if axis % len(shape):
        agree(Concatenate(axis), keras.layers.Concatenate(axis), arrays)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (1, [(2, 5), (2, 5)]),
        (-1, [(2, 3, 5), (2, 4, 5)]),
        ((1, 2), [(2, 3, 5), (2, 10, 3)]),
        ((2, 1), [(2, 3, 5), (2, 5)]),
        ([1, -1], [(2, 5), (2, 3, 5)]),
        ((2, 1), [(2, 3, 4, 5), (2, 4, 6)]),
    ],
)
def test_dot_equals_keras(axes, shapes, normalize) -> None:
    agree(Dot(axes, normalize), keras.layers.Dot(axes, normalize), draw(*shapes))


def test_functions_stand_for_layers() -> None:
    x, y = draw((2, 3), (2, 3))
    for name in NAMES:
        ours = getattr(layers, name.lower())([x, y])
        np.testing.assert_array_equal(ours, getattr(layers, name)()([x, y]))
    np.testing.assert_array_equal(layers.concatenate([x, y], axis=0), Concatenate(0)([x, y]))
    np.testing.assert_array_equal(layers.dot([x, y]), Dot(-1)([x, y]))


def test_a_list_whose_batch_is_not_known() -> None:
    layer = Add()
    layer.build([(None, 3), (None, "time", 3)])
    assert layer(draw((2, 3), (2, 5, 3))).shape == (2, 5, 3)
    with pytest.raises(InputError, match="do not broadcast"):
        layer(draw((2, 3), (2, 5, 4)))


@pytest.mark.parametrize(
    "inputs", [jnp.ones((2, 3)), [], {"x": jnp.ones((2, 3))}, [1.0, 2.0], jnp.ones((2, 3)).tolist]
)
def test_what_is_no_list_of_arrays(inputs) -> None:
    with pytest.raises(InputError, match="as one list"):
        Add()(inputs)


@pytest.mark.parametrize(
    "shapes", [[(2, 3), (2, 4)], [(2, 3), (3, 3)], [(2, 3), (1, 3)], [(2, 3, 4), (2, 3)]]
)
def test_shapes_that_do_not_go_together(shapes) -> None:
    with pytest.raises(InputError, match="do not broadcast") as caught:
        Multiply()(draw(*shapes))
    assert str(shapes[1]) in str(caught.value)


@pytest.mark.parametrize("kind", [Subtract, lambda: Dot(1)])
@pytest.mark.parametrize("count", [1, 3])
def test_these_take_two(kind, count) -> None:
    with pytest.raises(InputError, match="2 arrays"):
        kind()(draw(*[(2, 3)] * count))


def test_wrong_masks() -> None:
    x = draw((2, 3, 4), (2, 3, 4))
    with pytest.raises(InputError, match="masks of its inputs"):
        Maximum()(x, mask=jnp.ones((2, 3), bool))
    with pytest.raises(InputError, match="masks of its inputs"):
        Add().compute_mask(x, [None])
    with pytest.raises(InputError, match="a mask"):
        Multiply()(x, mask=[jnp.ones((2, 4), bool), None])


@pytest.mark.parametrize(
    ("axis", "shapes"),
    [(1, [(2, 3, 4), (2, 3, 5)]), (-1, [(2, 3), (2, 3, 4)]), (1, [(2, 3), (3, 3)])],
)
def test_what_cannot_follow_one_another(axis, shapes) -> None:
    with pytest.raises(InputError, match="cannot be concatenated"):
        Concatenate(axis)(draw(*shapes))


def test_axes_that_are_not_there() -> None:
    for axis in (2, -3):
        with pytest.raises(InputError, match="axis="):
            Concatenate(axis)(draw((2, 3), (2, 3)))
    with pytest.raises(InputError, match="axis"):
        Concatenate("last")
    with pytest.raises(InputError, match="axis="):
        Dot(3)(draw((2, 3), (2, 3)))
    with pytest.raises(InputError, match="the number of axes"):
        Dot((1, 2, 3))


@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (0, [(3, 3), (3, 3)]),
        (1, [(2, 3), (2, 4)]),
        ((1, 2), [(2, 3, 4), (2, 3, 4)]),
        (1, [(2, 3), (3, 3)]),
    ],
)
def test_what_cannot_be_multiplied(axes, shapes) -> None:
    with pytest.raises(InputError, match="cannot multiply"):
        Dot(axes)(draw(*shapes))


def test_errors_name_the_path() -> None:
    class Net(lamina.Layer):
        def __init__(self):
            self.join = Concatenate()

        def call(self, x, y):
            return self.join([x, y])

    with pytest.raises(InputError, match=r"join \(Concatenate\)") as caught:
        Net()(*draw((2, 3), (3, 3)))
    assert __file__ in str(caught.value)
