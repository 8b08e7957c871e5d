"""Unknown dims: which sizes of outputs and weights are known, and which programs are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, Spec, layers
from lamina.core.building import trials
from lamina.errors import BuildError, InputError

STEPS = (None, None, 4)
X = np.random.default_rng(0).normal(size=(2, 40, 4)).astype("float32")


class Function(Layer):
    def __init__(self, function):
        self.function = function

    def call(self, *inputs):
        return self.function(*inputs)


class Positions(Layer):
    """A weight for each step."""

    def build(self, input_shape):
        self.table = self.add_weight(input_shape[1:], "ones")

    def call(self, inputs):
        return inputs + self.table


def shape_of(function, *shapes):
    return Function(function).compute_output_shape(*shapes)


def attend(inputs, steps=16):
    """Attention with a causal mask of a fixed number of steps."""
    mask = jnp.tril(jnp.ones((steps, steps)))
    scores = jnp.einsum("btc,bsc->bts", inputs, inputs) + mask
    return jnp.einsum("bts,bsc->btc", jax.nn.softmax(scores), inputs)


def only(fits):
    def function(inputs):
        if not fits(inputs.shape[1]):
            raise ValueError("this length is not supported")
        return inputs

    return function


def at_least_three(inputs):
    assert inputs.shape[1] >= 3
    return inputs[:, :3]


TABLE = jnp.ones((64, 4))
SHAPES = {
    "the last 16": (lambda x: x[:, -16:], STEPS, (None, None, 4)),
    "the first 16": (lambda x: x[:, :16], STEPS, (None, None, 4)),
    "the last 2": (lambda x: x[:, -2:], STEPS, (None, None, 4)),
    "the first 64": (lambda x: x[:, :64], STEPS, (None, None, 4)),
    "the first": (lambda x: x[:, :1], STEPS, (None, 1, 4)),
    "a part far behind": (lambda x: x[:, 100:200], STEPS, (None, None, 4)),
    "a part farther behind": (lambda x: x[:, 600:700], STEPS, (None, None, 4)),
    "strides": (lambda x: x[:, ::2][:, :8], STEPS, (None, None, 4)),
    "filled up to 64": (
        lambda x: jnp.pad(x, ((0, 0), (0, max(0, 64 - x.shape[1])), (0, 0))),
        STEPS,
        (None, None, 4),
    ),
    "always 64": (
        lambda x: jnp.pad(x, ((0, 0), (0, 64 - x.shape[1]), (0, 0))),
        STEPS,
        (None, 64, 4),
    ),
    "limited and not": (lambda x: jnp.concatenate([x[:, :5], x], 1), STEPS, (None, None, 4)),
    "limited axes": (lambda x: x[:, -9:, -9:], (None, None, None, 3), (None, None, None, 3)),
    "limited, flat": (lambda x: x[:, :8].reshape(x.shape[0], -1), STEPS, (None, None)),
    "limited batch": (lambda x: x[:8], (None, 3), (None, 3)),
    "groups of 7": (lambda x: x.reshape(len(x), x.shape[1] // 7, 7, 4), STEPS, (None, None, 7, 4)),
    "groups of 11": (
        lambda x: x.reshape(len(x), x.shape[1] // 11, 11, 4),
        STEPS,
        (None, None, 11, 4),
    ),
    "five parts": (lambda x: jnp.split(x, 5, 1)[0], STEPS, (None, None, 4)),
    "19 parts": (lambda x: jnp.split(x, 19, 1)[0], STEPS, (None, None, 4)),
    "a batch in five parts": (lambda x: jnp.split(x, 5)[0], (None, 3), (None, 3)),
    "a batch of groups": (lambda x: x.reshape(-1, 7, 3), (None, 3), (None, 7, 3)),
    "a table": (lambda x: x + TABLE[: x.shape[1]], STEPS, (None, None, 4)),
    "a whole table": (lambda x: x + TABLE, STEPS, (None, 64, 4)),
    "a fixed mask": (attend, STEPS, (None, 16, 4)),
    "a fixed mask of 50": (lambda x: attend(x, 50), STEPS, (None, 50, 4)),
    "one length": (only(lambda n: n == 16), STEPS, (None, 16, 4)),
    "one long length": (only(lambda n: n == 256), STEPS, (None, 256, 4)),
    "one odd length": (only(lambda n: n == 77), STEPS, (None, 77, 4)),
    "patches": (
        lambda x: x.reshape(len(x), x.shape[1] // 14, 14, x.shape[2] // 14, 14, 3),
        (None, None, None, 3),
        (None, None, 14, None, 14, 3),
    ),
    "short": (only(lambda n: n <= 10), STEPS, (None, None, 4)),
    "long": (only(lambda n: n >= 100), STEPS, (None, None, 4)),
    "at least three": (at_least_three, STEPS, (None, 3, 4)),
    "powers of two": (only(lambda n: n & (n - 1) == 0), STEPS, (None, None, 4)),
    "no axes of size 1": (jnp.squeeze, (None, 1, 4), (None, 4)),
    "no steps": (lambda x: x[:, :0], STEPS, (None, 0, 4)),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_dim_is_known_if_it_is_the_same_for_all_sizes(case):
    function, shape, expected = SHAPES[case]
    assert shape_of(function, shape) == expected


def test_names_of_dims_stay():
    outputs = Function(lambda x: (x[:, -16:], x)).plan(Spec(("b", "t", 4))).calls[0].outputs
    assert [spec.shape for spec in outputs] == [("b", None, 4), ("b", "t", 4)]
    two = Function(lambda x, y: (y, x, jnp.concatenate([x, y], 1)))
    outputs = two.plan(Spec(("b", "s", 4)), Spec(("b", "t", 4))).calls[0].outputs
    assert [spec.shape for spec in outputs] == [("b", "t", 4), ("b", "s", 4), ("b", None, 4)]


WAYS = {
    "Sequential": lambda made: Sequential([Input((None, 4)), *made]),
    "Sequential, built": lambda made: built(Sequential(made)),
    "graph": lambda made: graph(made),
    "nested": lambda made: Sequential([Input((None, 4)), Sequential(made)]),
    "nested graph": lambda made: graph([graph(made[:1]), *made[1:]]),
    "subclass": lambda made: built(Chain(made)),
}


class Chain(Model):
    def __init__(self, chain):
        super().__init__()
        self.chain = chain

    def call(self, inputs):
        for layer in self.chain:
            inputs = layer(inputs)
        return inputs


def built(model):
    model.build(STEPS)
    return model


def graph(made):
    inputs = outputs = Input((None, 4))
    for layer in made:
        outputs = layer(outputs)
    return Model(inputs, outputs)


LIMITED = {
    "slice": lambda: [Function(lambda x: x[:, -16:])],
    "pooling": lambda: [layers.MaxPooling1D(600)],
    "convolution": lambda: [layers.Conv1D(3, 500)],
    "cropping": lambda: [layers.Cropping1D((50, 60))],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", LIMITED)
def test_a_weight_that_depends_on_an_unknown_dim_is_refused(case, way):
    for rest in ([layers.Flatten(), layers.Dense(2)], [Positions()]):
        with pytest.raises(BuildError, match=r"declares a weight of shape \(None, .*float32\[\?, "):
            WAYS[way]([*LIMITED[case](), *rest])


@pytest.mark.parametrize("way", WAYS)
def test_layers_that_need_long_inputs_are_built_for_an_unknown_length(way):
    made = [layers.Conv1D(3, 2000), layers.MaxPooling1D(600), layers.Dense(2)]
    model = WAYS[way](made)
    assert [v.shape for v in model.variables] == [(2000, 4, 3), (3,), (3, 2), (2,)]


@pytest.mark.parametrize("way", WAYS)
def test_a_program_for_one_length_is_built_for_it(way):
    model = WAYS[way]([Function(attend), layers.Flatten(), layers.Dense(2)])
    assert model.variables[0].shape == (64, 2)
    assert model(X[:, :16]).shape == lamina.jit(model)(X[:, :16]).shape == (2, 2)


def test_the_least_size_of_a_convolution_counts():
    model = Sequential([Input((None, 4)), layers.Conv1D(3, 3), Function(lambda x: x[:, :1])])
    assert model.plan(STEPS).calls[0].outputs.shape == (None, 1, 3)
    model = Sequential([Input((None, 4)), layers.Conv1D(3, 3), Function(lambda x: x[:, -2:])])
    assert model.plan(STEPS).calls[0].outputs.shape == (None, None, 3)


@pytest.mark.parametrize("depth", [2, 5, 6])
def test_sizes_that_are_halved_several_times(depth):
    class Net(Layer):
        def __init__(self):
            self.convolutions = [layers.Conv2D(2, 3, padding="same") for _ in range(depth)]

        def call(self, inputs):
            skipped = []
            for convolution in self.convolutions:
                skipped.append(convolution(inputs))
                inputs = layers.MaxPooling2D()(skipped[-1])
            for other in reversed(skipped):
                inputs = layers.Concatenate()([layers.UpSampling2D()(inputs), other])
            return inputs

    shape = (None, None, None, 3)
    assert Net().compute_output_shape(shape) == (*shape[:3], 2 * depth + 2)


def test_layers_that_only_some_sizes_reach():
    class Net(Layer):
        def __init__(self):
            self.long, self.short = layers.Dense(3), Positions()

        def call(self, inputs):
            return self.long(inputs) if inputs.shape[1] > 16 else self.short(inputs)

    class Long(Net):
        def call(self, inputs):
            return self.short(inputs) if inputs.shape[1] > 16 else self.long(inputs)

    plan = Net().plan(STEPS)
    assert [v.path for v in plan.variables] == ["long.kernel", "long.bias"]
    assert plan.calls[0].outputs.shape == (None, None, None)  # 3 or 4 features
    with pytest.raises(BuildError, match="depends on an unknown dim"):
        Long().plan(STEPS)


def test_steps_in_a_python_loop():
    class Loop(Layer):
        def __init__(self):
            self.cell, self.head = layers.Dense(3), layers.Dense(2)

        def call(self, inputs):
            steps = [self.cell(inputs[:, i]) for i in range(1, inputs.shape[1])]
            return self.head(jnp.stack(steps, 1))

    plan = Loop().plan(STEPS)
    assert plan.calls[-1].path == "head"
    assert plan.calls[-1].outputs.shape == plan.calls[0].outputs.shape == (None, None, 2)
    assert plan.calls[-2].inputs.args[0].shape == (None, 4)


def test_the_error_says_which_sizes_were_tried():
    layer = Function(only(lambda n: n == 777))
    with pytest.raises(BuildError) as caught:
        layer.build(STEPS)
    text = str(caught.value)
    assert "tried: 1 to 256, 288," in text and "4096 (" in text
    assert "this length is not supported" in text and "build((None, 16, 4))" in text
    assert f"{__file__}:" in text and isinstance(caught.value.__cause__, ValueError)
    layer.build((None, 777, 4))
    assert layer(jnp.ones((2, 777, 4))).shape == (2, 777, 4)


def test_a_mistake_that_no_size_mends_is_told_after_two_traces(monkeypatch):
    traces = []
    run_pass = trials.run_pass
    monkeypatch.setattr(trials, "run_pass", lambda *given: traces.append(given) or run_pass(*given))
    with pytest.raises(TypeError, match="contracting dimensions"):
        Function(lambda x: x @ jnp.ones((3, 3))).build((None, 8))
    with pytest.raises(InputError):
        layers.Concatenate().build([(None, 3, 4), (None, 5, 4)])
    assert len(traces) == 4


def fails(inputs):
    raise RuntimeError("the device is lost")


def reads_a_value(inputs):
    return inputs if inputs.sum() > 0 else -inputs


@pytest.mark.parametrize(
    ("function", "kind"),
    [(fails, RuntimeError), (reads_a_value, jax.errors.TracerBoolConversionError)],
)
def test_errors_that_do_not_depend_on_sizes_are_raised_as_they_are(function, kind):
    with pytest.raises(kind):
        Function(function).build(STEPS)


@pytest.mark.parametrize("shape", [(None, 8), (None, None, 8)])
def test_two_traces_are_enough_for_most_programs(shape, monkeypatch):
    traces = []
    run_pass = trials.run_pass
    monkeypatch.setattr(
        trials,
        "run_pass",
        lambda *given: traces.append(given[1].sizes.nameless) or run_pass(*given),
    )
    Sequential([layers.Dense(4), layers.LayerNormalization(), layers.Dense(2)]).plan(shape)
    assert traces == [1, 96]


class Dilating(Layer):
    """Repeats the input up to 128 steps, which two traces do not tell from a fixed length."""

    def call(self, inputs):
        return jnp.pad(inputs, ((0, 0), (0, max(0, 128 - inputs.shape[1])), (0, 0)))


def test_calls_of_all_kinds_see_a_misfit():
    model = Sequential([Input((None, 4)), Dilating(), Positions()])
    model(X)
    long = np.ones((2, 130, 4), "float32")
    calls = (
        lambda: model(long),
        lambda: lamina.jit(model)(long),
        lambda: model.apply(model.values(), long),
        lambda: model.predict(long, verbose=0),
    )
    for call in calls:
        with pytest.raises(InputError, match="was built for size 128 on axis -2"):
            call()


def test_an_error_of_a_call_that_is_no_misfit_stays():
    layer = Function(only(lambda n: n != 7))
    layer.build(STEPS)
    with pytest.raises(ValueError, match="this length is not supported"):
        layer(X[:, :7])
