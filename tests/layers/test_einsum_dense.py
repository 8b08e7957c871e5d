"""EinsumDense: Keras's numbers over equations, fans, shapes, errors."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina import Sequential, initializers, layers
from lamina.core.initial.sampling import draw
from lamina.errors import BuildError, InputError
from lamina.layers import EinsumDense

CASES = [
    ("ab,bc->ac", 4, "c", (2, 3)),
    ("abc,cd->abd", (None, 4), "d", (2, 5, 3)),
    ("abc,cde->abde", (None, 4, 2), "de", (2, 5, 3)),
    ("abc,cde->abde", (None, 4, 2), "e", (2, 5, 3)),
    ("abcd,cde->abe", (5, 4), None, (2, 5, 3, 2)),
    ("abc,bd->adc", (4, 3), "d", (2, 5, 3)),
    ("ab,cb->ac", 4, "c", (2, 3)),
    ("abc,bc->ab", (5,), None, (2, 5, 3)),
    ("...b,bc->...c", 4, "c", (2, 5, 3)),
    ("...bc,cd->...bd", (5, 4), "bd", (2, 3, 5, 3)),
    ("ab...,bc->ac...", 4, "c", (2, 3, 5)),
    ("abc...,cd->abd...", (5, 4), "bd", (2, 5, 3, 2)),
]


@pytest.mark.parametrize(("equation", "output", "bias", "shape"), CASES)
def test_equals_keras(compare, normal, equation, output, bias, shape) -> None:
    options = {"activation": "tanh", "bias_axes": bias}
    ours = EinsumDense(equation, output, **options)
    compare(ours, keras.layers.EinsumDense(equation, output, **options), normal(*shape))


@settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 4))
def test_equals_keras_at_any_rank(compare, normal, shape, units) -> None:
    arguments = ("...x,xy->...y", units)
    ours, theirs = EinsumDense(*arguments), keras.layers.EinsumDense(*arguments)
    compare(ours, theirs, normal(*shape))


@pytest.mark.parametrize(("equation", "output", "bias", "shape"), CASES[1:7])
def test_weights_have_the_shapes_and_fans_of_keras(equation, output, bias, shape) -> None:
    ours = EinsumDense(equation, output, bias_axes=bias, kernel_initializer="lecun_normal")
    theirs = keras.layers.EinsumDense(equation, output, bias_axes=bias)
    ours.build((None, *shape[1:]))
    theirs.build((None, *shape[1:]))
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    fans = initializers.fans(
        ours.kernel.shape, ours.kernel.initializer.input_axes, ours.kernel.initializer.output_axes
    )
    kernel = equation.partition(",")[2].partition("->")[0]
    sizes = dict(zip(kernel, ours.kernel.shape, strict=True))
    outputs = equation.partition("->")[2]
    expected = [
        np.prod([size for letter, size in sizes.items() if (letter in outputs) == out], dtype=int)
        for out in (False, True)
    ]
    assert list(fans) == expected


def test_an_initializer_with_axes_of_its_own_keeps_them() -> None:
    given_axes = initializers.GlorotUniform(input_axes=(1,), output_axes=(0,))
    layer = EinsumDense("ab,bc->ac", 40, kernel_initializer=given_axes)
    layer.build((None, 30))
    assert layer.kernel.initializer == given_axes


def test_the_kernel_spreads_by_its_summed_axes() -> None:
    layer = EinsumDense("abc,cde->abde", (None, 30, 20), kernel_initializer="lecun_normal")
    layer.build((None, None, 50))
    values = draw(layer.kernel.initializer, (50, 30, 20), "float32", seed=(0, 0), path="w")
    np.testing.assert_allclose(values.std(), (1 / 50) ** 0.5, rtol=0.02)


def test_spaces_mean_nothing() -> None:
    layer = EinsumDense("ab, bc -> ac", 4)
    assert layer(jnp.ones((2, 3))).shape == (2, 4)


def test_half_precision() -> None:
    layer = EinsumDense("ab,bc->ac", 4, bias_axes="c", dtype="bfloat16")
    assert layer(jnp.ones((2, 3), "bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize(
    "equation",
    [
        "ab->ac",
        "ab,bc",
        "ab,bc->",
        "...ab,bc->ac",
        "ab...,bc->...ac",
        "...ab...,bc->...ac...",
        "a1,bc->ac",
        "ab,bcd->ac",
        "ab,bc->acd",
        "abb,bc->ac",
        "ab,bc->acc",
    ],
)
def test_equations_that_are_none(equation) -> None:
    with pytest.raises(InputError, match="equation") as caught:
        EinsumDense(equation, 4).build((2, 3))
    assert "expected:" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (("ab,bc->ac", 4), (2, 3, 5)),
        (("abc,cd->abd", (None, 4)), (2, 3)),
        (("...ab,bc->...ac", (3, 4)), (3,)),
        (("ab,bc->ac", (4, 5)), (2, 3)),
        (("abc,cd->abd", (6, 4)), (2, 5, 3)),
        (("ab,bc->ac", 4, None, "b"), (2, 3)),
        (("ab,bc->ac", 4, None, ""), (2, 3)),
    ],
)
def test_shapes_that_do_not_fit(arguments, shape) -> None:
    with pytest.raises(InputError, match="equation"):
        EinsumDense(*arguments).build(shape)


def test_a_weight_of_a_size_that_is_not_known() -> None:
    with pytest.raises(BuildError, match="an unknown dim"):
        EinsumDense("abc,bc->ab", None).build((None, None, 3))


@pytest.mark.parametrize(
    ("equation", "output", "axes", "kept"),
    [
        ("abc,cd->abd", (None, 4), 2, True),
        ("abc,cde->abde", (None, 4, 2), 2, True),
        ("...b,bc->...c", 4, 2, True),
        ("ab...,bc->ac...", 4, 1, True),
        ("ab...,bc->ac...", 4, 2, False),
        ("abc,bd->adc", (5, 3), 2, False),
        ("abc,bc->ab", (5,), 3, False),
    ],
)
def test_a_mask_is_passed_on_where_its_axes_stay(normal, equation, output, axes, kept) -> None:
    x = normal(2, 5, 3)
    mask = np.ones(x.shape[:axes], bool)
    found = EinsumDense(equation, output).compute_mask(x, mask)
    assert found is (mask if kept else None)
    assert EinsumDense(equation, output).compute_mask(x) is None


def test_a_mask_of_axes_that_are_gone_hides_nothing() -> None:
    ids = jnp.array([[1, 2, 0, 3], [4, 0, 0, 0]])
    row = [layers.Embedding(5, 6, mask_zero=True), EinsumDense("abc,bd->adc", (4, 6))]
    model = Sequential([*row, layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(model(ids), row[1](row[0](ids)).mean(1), rtol=1e-5)
