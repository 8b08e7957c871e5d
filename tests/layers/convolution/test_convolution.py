"""Convolutions of every kind and rank: Keras's numbers, specs with unknown sizes, errors."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError, LaminaError, UnknownNameError

few = settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FIRST = {"data_format": "channels_first"}
PLAIN = ["Conv1D", "Conv2D", "Conv3D"]
TRANSPOSED = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]
SEPARABLE = ["SeparableConv1D", "SeparableConv2D"]
DEPTHWISE = ["DepthwiseConv1D", "DepthwiseConv2D"]
ALL = [*PLAIN, *TRANSPOSED, *SEPARABLE, *DEPTHWISE]


def both(name, *args, **options):
    return getattr(layers, name)(*args, **options), getattr(keras.layers, name)(*args, **options)


def make(name, kernel_size, **options):
    count = () if name in DEPTHWISE else (4,)
    return getattr(layers, name)(*count, kernel_size, **options)


def rank_of(name):
    return int(name[name.index("D") - 1] if "Depth" not in name else name[-2])


@st.composite
def cases(draw, names, filters=True):
    """A layer's name, arguments for it, and the shape of an input with room for its kernel."""
    name = draw(st.sampled_from(names))
    rank = rank_of(name)
    per_axis = st.tuples(*[st.integers(1, 3)] * rank)
    kernel_size, room = draw(per_axis), draw(per_axis)
    strides, dilation_rate = draw(st.sampled_from([(1, draw(per_axis)), (draw(per_axis), 1)]))
    options = {
        "strides": strides,
        "dilation_rate": dilation_rate,
        "padding": draw(st.sampled_from(["valid", "same", "SAME"])),
        "use_bias": draw(st.booleans()),
        "activation": draw(st.sampled_from([None, "tanh"])),
    }
    step = (dilation_rate,) * rank if dilation_rate == 1 else dilation_rate
    sizes = [(k - 1) * d + r for k, d, r in zip(kernel_size, step, room, strict=True)]
    channels = draw(st.sampled_from([2, 4]))
    if draw(st.booleans()):
        options |= FIRST
        shape = (2, channels, *sizes)
    else:
        shape = (2, *sizes, channels)
    counts = (4,) if filters else ()
    return name, (*counts, kernel_size), options, shape


@few
@given(cases(PLAIN), st.sampled_from([1, 2]))
def test_equals_keras(compare, normal, case, groups) -> None:
    name, args, options, shape = case
    compare(*both(name, *args, groups=groups, **options), normal(*shape))


@pytest.mark.parametrize("options", [{"dilation_rate": 2}, {"strides": 2}, {"groups": 2}, FIRST])
def test_causal_equals_keras(compare, normal, options) -> None:
    compare(*both("Conv1D", 4, 3, padding="causal", **options), normal(2, 6, 6))


@few
@given(cases(TRANSPOSED))
def test_transposed_equals_keras(compare, normal, case) -> None:
    name, args, options, shape = case
    compare(*both(name, *args, **options), normal(*shape))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "output_padding"),
    [(3, (2, 3), (1, 0)), (2, (3, 2), (2, 1)), ((4, 1), 2, 1), (3, 2, 0)],
)
def test_output_padding_equals_keras(
    compare, normal, padding, kernel_size, strides, output_padding
) -> None:
    options = {"strides": strides, "padding": padding, "output_padding": output_padding}
    compare(*both("Conv2DTranspose", 3, kernel_size, **options), normal(2, 3, 4, 2))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Conv2D", (2, 3, 1, "same", "channels_first", 2, 2, "relu", False)),
        ("Conv2DTranspose", (2, 3, 2, "same", 1, "channels_first", 1, "relu", False)),
        ("Conv3DTranspose", (2, 3, 2, "same", "channels_first", 1, 1, "relu", False)),
        ("DepthwiseConv2D", (3, 1, "same", 3, "channels_first", 2, "relu", False)),
        ("SeparableConv2D", (2, 3, 1, "same", "channels_first", 2, 3, "relu", False)),
    ],
)
def test_the_order_of_arguments_is_that_of_keras(name, args) -> None:
    ours, theirs = both(name, *args)
    names = {"kernel_size", "strides", "padding", "data_format", "dilation_rate", "use_bias"}
    names |= {"filters", "groups", "depth_multiplier", "output_padding"} & set(vars(theirs))
    assert {n: getattr(ours, n) for n in names} == {n: getattr(theirs, n) for n in names}
    assert ours.activation is lamina.activations.relu


@few
@given(cases(DEPTHWISE, filters=False), st.integers(1, 2))
def test_depthwise_equals_keras(compare, normal, case, multiplier) -> None:
    name, args, options, shape = case
    compare(*both(name, *args, depth_multiplier=multiplier, **options), normal(*shape))


@few
@given(cases(SEPARABLE), st.integers(1, 2))
def test_separable_equals_keras(compare, normal, case, multiplier) -> None:
    name, args, options, shape = case
    compare(*both(name, *args, depth_multiplier=multiplier, **options), normal(*shape))


@pytest.mark.parametrize("name", [*SEPARABLE, *DEPTHWISE])
def test_strides_and_dilation_at_once_where_keras_takes_them(compare, normal, name) -> None:
    args = (2,) if name in DEPTHWISE else (4, 2)
    shape = (2, *[7] * rank_of(name), 3)
    compare(*both(name, *args, strides=2, dilation_rate=2), normal(*shape))


def test_weights_and_defaults() -> None:
    expected = {
        "Conv2D": {"kernel": (3, 3, 6, 4), "bias": (4,)},
        "Conv2DTranspose": {"kernel": (3, 3, 4, 6), "bias": (4,)},
        "DepthwiseConv2D": {"kernel": (3, 3, 6, 1), "bias": (6,)},
        "SeparableConv2D": {
            "depthwise_kernel": (3, 3, 6, 1),
            "pointwise_kernel": (1, 1, 6, 4),
            "bias": (4,),
        },
    }
    for name, weights in expected.items():
        layer = make(name, 3)
        layer.build((None, None, None, 6))
        assert {path: value.shape for path, value in layer.values().items()} == weights
        assert not layer.values()["bias"].any()
        bare = make(name, 3, use_bias=False)
        bare.build((None, 8, None, 6))
        assert "bias" not in bare.values()


def test_initializers_are_used(normal) -> None:
    options = {"depthwise_initializer": "ones", "bias_initializer": "ones"}
    x = np.ones((1, 3, 2), "float32")
    for layer in (
        layers.Conv1D(2, 3, kernel_initializer="ones", bias_initializer="ones"),
        layers.SeparableConv1D(2, 3, pointwise_initializer="ones", **options),
    ):
        np.testing.assert_array_equal(layer(x), np.full((1, 1, 2), 7.0))
    np.testing.assert_array_equal(layers.DepthwiseConv1D(3, **options)(x), np.full((1, 1, 2), 4.0))


@pytest.mark.parametrize("name", ALL)
def test_unknown_sizes_of_space_are_planned(name) -> None:
    layer = make(name, 3)
    layer.build((None, *[None] * rank_of(name), 2))
    assert layer(np.ones((1, *[5] * rank_of(name), 2), "float32")).shape[0] == 1


def test_a_network_of_known_size_and_unknown_batch(normal) -> None:
    row = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    model = Sequential([*row, layers.Dense(3)])
    plan = model.plan((None, 12, 10, 2))
    assert plan.calls[0].outputs.shape == (None, 3)
    model.build((None, 12, 10, 2))
    assert model.layers[3].kernel.shape == (5 * 4 * 4, 3)
    x = normal(3, 12, 10, 2)
    np.testing.assert_allclose(lamina.jit(model)(x), model(x), rtol=1e-4, atol=1e-5)


def test_a_deep_network_that_shrinks_an_unknown_time_to_nothing_at_the_sizes_tried(normal) -> None:
    model = Sequential([layers.Conv1D(2, 80, strides=4), layers.MaxPooling1D(4)])
    for _ in range(3):
        model.add(layers.Conv1D(2, 3))
        model.add(layers.MaxPooling1D(4))
    for layer in (layers.AdaptiveAveragePooling1D(1), layers.Flatten(), layers.Dense(3)):
        model.add(layer)
    model.build((None, None, 1))
    assert lamina.jit(model)(normal(1, 8000, 1)).shape == (1, 3)
    with pytest.raises(InputError, match=r"layers\.6 \(Conv1D\) .* too small"):
        model(normal(1, 800, 1))


@pytest.mark.parametrize("name", ALL)
def test_a_mask_ends_here(name) -> None:
    assert make(name, 3).compute_mask(np.ones((2, 5, 3)), np.ones((2, 5), bool)) is None


@pytest.mark.as_users_run
@pytest.mark.parametrize("name", ALL)
def test_half_precision(name) -> None:
    layer = make(name, 2, dtype="bfloat16")
    x = np.ones((1, *[3] * rank_of(name), 2), "float32")
    assert layer(lamina.layers.Activation("linear")(x).astype("bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {"strides": 0},
        {"strides": (1, 1, 1, 1)},
        {"dilation_rate": -1},
        {"padding": "full"},
        {"padding": None},
        {"data_format": "NHWC"},
    ],
)
def test_options_that_are_none(name, options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        make(name, 3, **options)


@pytest.mark.parametrize("kernel_size", [0, (3, 0), (3,), "3", True, 2.5, None, ()])
def test_kernel_sizes_that_are_none(kernel_size) -> None:
    with pytest.raises(InputError, match="kernel_size"):
        layers.Conv2D(4, kernel_size)


@pytest.mark.parametrize("name", [*PLAIN, *TRANSPOSED, *SEPARABLE])
@pytest.mark.parametrize("filters", [0, -1, 2.5, None])
def test_filters_must_be_a_count(name, filters) -> None:
    with pytest.raises(InputError, match="filters"):
        getattr(layers, name)(filters, 3)


@pytest.mark.parametrize("name", [*SEPARABLE, *DEPTHWISE])
def test_the_multiplier_must_be_a_count(name) -> None:
    with pytest.raises(InputError, match="depth_multiplier"):
        make(name, 3, depth_multiplier=0)


@pytest.mark.parametrize("name", [*PLAIN, *TRANSPOSED])
def test_strides_and_dilation_at_once(name) -> None:
    with pytest.raises(InputError, match="strides"):
        make(name, 3, strides=2, dilation_rate=2)


@pytest.mark.parametrize("name", [name for name in ALL if name != "Conv1D"])
def test_causal_is_for_time_alone(name) -> None:
    with pytest.raises(InputError, match="padding"):
        make(name, 3, padding="causal")


def test_groups_that_do_not_divide() -> None:
    with pytest.raises(InputError, match="groups=3"):
        layers.Conv2D(4, 3, groups=3)
    with pytest.raises(InputError, match="groups=2"):
        layers.Conv2D(4, 3, groups=2).build((None, 8, 8, 5))
    with pytest.raises(InputError, match="groups"):
        layers.Conv2D(4, 3, groups=0)


@pytest.mark.parametrize("output_padding", [2, (0, 2), -1, (0,), "1"])
def test_output_padding_that_does_not_fit(output_padding) -> None:
    with pytest.raises(InputError, match="output_padding"):
        layers.Conv2DTranspose(4, 3, 2, output_padding=output_padding)


@pytest.mark.parametrize("name", ALL)
def test_another_rank_is_refused(name) -> None:
    with pytest.raises(InputError, match="channels"):
        make(name, 3).build((None, *[8] * (rank_of(name) + 1), 4))


@pytest.mark.parametrize("name", [*PLAIN, *SEPARABLE, *DEPTHWISE])
@pytest.mark.parametrize("batch", [2, None])
def test_a_kernel_larger_than_its_input_is_refused(name, batch) -> None:
    layer = make(name, 3, dilation_rate=2)
    with pytest.raises(InputError, match=r"too small(.|\n)*5"):
        layer.build((batch, *[4] * rank_of(name), 4))
    with pytest.raises(InputError, match="too small"):
        Sequential([layer, layers.Flatten(), layers.Dense(2)]).build(
            (batch, *[4] * rank_of(name), 4)
        )
    layer.build((batch, *[5] * rank_of(name), 4))


@pytest.mark.parametrize("way", ["call", "jit", "apply"])
def test_an_input_that_is_too_small_for_what_was_built(normal, way) -> None:
    layer = layers.Conv2D(4, 3)
    layer.build((None, None, None, 2))
    run = {
        "call": layer,
        "jit": lamina.jit(layer),
        "apply": lambda x: layer.apply(layer.values(), x),
    }[way]
    with pytest.raises(InputError, match="too small"):
        run(normal(1, 5, 2, 2))


@pytest.mark.parametrize("name", ALL)
def test_unknown_channels_are_refused(name) -> None:
    with pytest.raises(LaminaError, match="an unknown dim"):
        make(name, 3).build((2, *[8] * rank_of(name), None))


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="relu"):
        layers.Conv2D(3, 3, activation="rleu")
    with pytest.raises(UnknownNameError, match="glorot_uniform"):
        layers.SeparableConv2D(3, 3, pointwise_initializer="glorot_unifrom")


def test_the_convolution_of_a_subclass_gets_bias_and_activation():
    def halved(k):
        class Halved(k.layers.Conv2D):
            def convolution_op(self, inputs, kernel):
                return super().convolution_op(inputs, kernel / 2)

        return Halved(4, 3, activation="relu", bias_initializer="ones")

    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    ours, theirs = halved(lamina), halved(keras)
    ours.build(x.shape)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)
