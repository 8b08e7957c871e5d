"""Examined plans: callers, the flow of data, dims, FLOPs and causes."""

import json

import jax
import jax.numpy as jnp
import pytest

from lamina import Input, Layer, Model, Plan, Sequential, Spec, layers
from lamina.errors import FileFormatError
from lamina.reports import examine, inventory
from lamina.reports.dims import Dims


def calls_of(plan: Plan) -> dict[str, tuple[str, list[str], list[str]]]:
    """The caller, the sources and the results of each layer's first call, by path."""
    paths = [call.path or "(root)" for call in plan.calls]
    found = {}
    for path, call in zip(paths, plan.calls, strict=True):
        caller = "" if call.caller < 0 else paths[call.caller]
        sources, results = ([paths[at] for at in ats] for ats in (call.sources, call.results))
        found.setdefault(path, (caller, sources, results))
    return found


class Residual(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.dense = (
            layers.LayerNormalization(),
            layers.Dropout(0.5),
            layers.Dense(8),
        )

    def call(self, x):
        return x + self.dense(self.drop(self.norm(x)) * 2.0)


def test_the_flow_passes_through_array_operations_and_identities() -> None:
    plan = examine(Sequential([Residual(), layers.Dense(3)]), (None, 8))
    assert calls_of(plan) == {
        "(root)": ("", [], ["layers.1"]),
        "layers.0": ("(root)", ["(root)"], ["layers.0", "layers.0.dense"]),
        "layers.0.norm": ("layers.0", ["layers.0"], ["layers.0.norm"]),
        "layers.0.drop": ("layers.0", ["layers.0.norm"], ["layers.0.drop"]),
        "layers.0.dense": ("layers.0", ["layers.0.drop"], ["layers.0.dense"]),
        "layers.1": ("(root)", ["layers.0"], ["layers.1"]),
    }


def test_a_graph_with_two_inputs_and_a_shared_layer() -> None:
    a, b = Input((4,)), Input((4,))
    shared, head = layers.Dense(3), layers.Dense(2)
    model = Model([a, b], head(layers.Concatenate()([shared(a), shared(b)])))
    plan = examine(model)
    indices = [i for i, call in enumerate(plan.calls) if call.layer == "Dense"]
    one, two, last = indices
    assert plan.calls[one].path == plan.calls[two].path
    joined = next(i for i, call in enumerate(plan.calls) if call.layer == "Concatenate")
    assert plan.calls[joined].sources == (one, two)
    assert plan.calls[last].sources == (joined,)
    assert plan.calls[one].sources == plan.calls[two].sources == (0,)


CONV = Sequential([layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(5, use_bias=False)])


@pytest.mark.parametrize(
    ("model", "spec", "expected"),
    [
        (layers.Dense(4, use_bias=False), (None, 3), 2 * 3 * 4),
        (layers.Dense(4, use_bias=False), (None, None, 3), 2 * 3 * 4),
        (layers.Dense(4, use_bias=False), (7, 3), 7 * 2 * 3 * 4),
        (CONV, (1, 6, 6, 2), 16 * 8 * (2 * 9 * 2 + 1) + 2 * 128 * 5),
        (
            layers.Conv2D(4, 3, groups=2, use_bias=False),
            (1, 5, 5, 4),
            9 * 4 * 2 * 9 * 2,
        ),
        (layers.DepthwiseConv2D(3, use_bias=False), (1, 5, 5, 4), 9 * 4 * 2 * 9),
        (
            layers.Conv1DTranspose(4, 3, use_bias=False),
            (1, 5, 2),
            5 * 2 * 2 * 3 * 4,
        ),
        (
            layers.Stack(lambda: layers.Dense(3, use_bias=False), 4),
            (1, 3),
            4 * 2 * 3 * 3,
        ),
    ],
)
def test_flops(model, spec, expected) -> None:
    assert examine(model, spec).calls[0].flops == expected


def test_flops_of_a_loop_count_each_step() -> None:
    class Loop(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3, use_bias=False)

        def call(self, x):
            return jax.lax.scan(lambda state, _: (self.dense(state), None), x, length=5)[0]

    plan = examine(Loop(), (1, 3))
    assert plan.calls[0].flops == 5 * 2 * 3 * 3


def dims_of(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {variable.path: variable.dims for variable in plan.variables}


def test_equal_sizes_are_no_dim_unless_they_meet() -> None:
    plan = examine(Sequential([layers.Dense(4), layers.Dense(4)]), (4, 4))
    (batch, features) = plan.calls[0].input_dims[0]
    first, second = dims_of(plan)["layers.0.kernel"], dims_of(plan)["layers.1.kernel"]
    assert first[0] == features
    assert first[1] == second[0]
    assert len({batch, features, first[1], second[1]}) == 4
    assert dims_of(plan)["layers.1.bias"] == (second[1],)
    assert plan.calls[0].output_dims == ((batch, second[1]),)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.T, (2, 1, 0)),
        (lambda x: jnp.swapaxes(x, 0, 1), (1, 0, 2)),
        (lambda x: x.reshape(5, -1).reshape(5, 4, 4), (0, 1, 2)),
        (lambda x: x[:, None, :, :].squeeze(1), (0, 1, 2)),
        (lambda x: x.sum(0), (1, 2)),
        (lambda x: jnp.einsum("abc,ade->cd", x, x), (2, 1)),
        (lambda x: jnp.concatenate([x, x], 1), (0, None, 2)),
        (lambda x: x[jnp.array([0, 1])], (None, 1, 2)),
        (lambda x: jnp.stack([x, x]).mean(0), (0, 1, 2)),
        (lambda x: jax.lax.scan(lambda c, a: (c, a.T), 0.0, x)[1], (0, 2, 1)),
        (lambda x: jax.vmap(jnp.sin)(x), (0, 1, 2)),
        (lambda x: jnp.unstack(x, axis=1)[0], (0, 2)),
        (lambda x: jax.lax.cond(True, jnp.sin, jnp.cos, x), (0, 1, 2)),
        (lambda x: x.at[0].set(0), (0, 1, 2)),
        (lambda x: jax.lax.dynamic_update_slice(x, x[:1, :, :3], (0, 0, 0)), (0, 1, 2)),
        (lambda x: jax.lax.fori_loop(0, 3, lambda i, a: x[i], x[0] * 0), (1, 2)),
        (lambda x: jax.lax.scan(lambda c, a: (a, c), jnp.zeros((4, 4)), x)[1], (0, 1, 2)),
        (lambda x: x.reshape(5, 2, 2, 4).reshape(5, 4, 4), (0, 1, 2)),
    ],
)
def test_dims_follow_the_axes(change, expected) -> None:
    program = jax.make_jaxpr(lambda x: (x, change(x)))(jnp.ones((5, 4, 4))).jaxpr
    dims = Dims(program)
    given, made = (dims.of(variable) for variable in program.outvars)
    axes = {dim: axis for axis, dim in enumerate(given)}
    assert tuple(axes.get(dim) for dim in made) == expected


def test_a_merged_axis_that_is_split_again_is_the_same() -> None:
    plan = examine(layers.MultiHeadAttention(2, 3), (None, 5, 8), (None, 5, 8))
    kernel, bias = dims_of(plan)["query.kernel"], dims_of(plan)["query.bias"]
    assert kernel[1:] == bias


@pytest.mark.parametrize("layer", [layers.LSTM(6), layers.SimpleRNN(6), layers.ConvLSTM1D(6, 3)])
def test_dims_go_through_recurrent_layers(layer) -> None:
    shape = (5, 9, 7, 4) if isinstance(layer, layers.ConvLSTM1D) else (5, 9, 4)
    plan = examine(layer, shape)
    (given,), (made,) = plan.calls[0].input_dims, plan.calls[0].output_dims
    assert made[0] == given[0]
    assert made[-1] == dims_of(plan)["recurrent_kernel"][-2]


def test_unknown_dims_are_dims() -> None:
    plan = examine(layers.Dense(2), Spec((None, "time", 3)))
    ((batch, time, _),), ((also, same, _),) = plan.calls[0].input_dims, plan.calls[0].output_dims
    assert (batch, time) == (also, same)
    assert min(batch, time) >= 0


def test_a_plan_before_and_after_the_build_say_the_same() -> None:
    model = Sequential([layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten()])
    before = examine(model, (None, 8, 8, 3))
    assert not model.built
    model.build((None, 8, 8, 3))
    after = examine(model)
    for one, other in zip(before.variables, after.variables, strict=True):
        assert (one.path, one.why, one.dims) == (other.path, other.why, other.dims)
    for one, other in zip(before.calls, after.calls, strict=True):
        assert (one.path, one.sources, one.flops) == (other.path, other.sources, other.flops)


def test_an_examination_changes_nothing() -> None:
    model = Sequential([layers.Dense(4), layers.Dropout(0.1)])
    examine(model, (None, 3))
    assert not model.built
    assert not model.layers[0].built
    assert model.layers[0].__dict__.keys() == layers.Dense(4).__dict__.keys()


def test_two_ways_in_are_listed_one_after_the_other() -> None:
    class Coder(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = layers.Dense(2), layers.Dense(3)

        def call(self, x):
            return self.outer(self.inner(x))

        def encode(self, x):
            return self.inner(x)

    model = Coder()
    model.build((None, 3))
    model.build((None, 3), method="encode")
    plan = examine(model)
    assert [(call.path, call.method, call.caller) for call in plan.calls] == [
        ("", "call", -1),
        ("inner", "call", 0),
        ("outer", "call", 0),
        ("", "encode", -1),
        ("inner", "call", 3),
    ]
    assert plan.calls[4].sources == (3,)


@pytest.mark.parametrize(
    "plan",
    [
        inventory(Residual()),
        layers.Dense(4).plan((None, 3)),
        examine(Sequential([Residual(), layers.LSTM(3)]), Spec((None, "time", 8))),
        examine(layers.MultiHeadAttention(2, 3), (None, 5, 8), (None, 5, 8)),
    ],
)
def test_json_keeps_everything(plan) -> None:
    again = Plan.from_json(plan.to_json())
    assert again.to_json() == plan.to_json()
    assert again.layers[0] == plan.layers[0] or plan.calls
    assert again.variables == plan.variables


@pytest.mark.parametrize(
    ("part", "index", "name", "value"),
    [
        ("calls", 1, "caller", 1),
        ("calls", 1, "caller", 2),
        ("calls", 1, "caller", -2),
        ("calls", 1, "sources", [99]),
        ("calls", 1, "sources", [-2]),
        ("calls", 1, "results", [3]),
        ("calls", 0, "flops", 1 << 63),
        ("layers", 0, "path", "other"),
        ("variables", 0, "nbytes", 10**400),
    ],
)
def test_numbers_out_of_range_are_an_error(part, index, name, value) -> None:
    plan = json.loads(examine(Sequential([layers.Dense(2), layers.Dense(1)]), (3, 4)).to_json())
    assert len(plan["calls"]) == 3
    plan[part][index][name] = value
    with pytest.raises(FileFormatError):
        Plan.from_json(json.dumps(plan))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"variables": 3, "calls": [], "unused": [], "aliases": {}, "external": []}',
        '{"variables": [], "calls": [{}], "unused": [], "aliases": {}, "external": []}',
        '{"variables": [], "calls": [], "unused": [1], "aliases": {}, "external": []}',
        '{"variables": [], "calls": [], "unused": [], "aliases": {}, "external": [], "x": 1}',
        "[" * 300,
        b"\xff",
    ],
)
def test_other_json_is_an_error(text) -> None:
    with pytest.raises(FileFormatError):
        Plan.from_json(text)


class Breaks(Layer):
    """A layer that raises an error once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)
        self.error = None

    def call(self, x):
        if self.error is not None:
            raise self.error
        return self.dense(x)


class SilentError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        return ""


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("boom\nmore"), "ValueError: boom"),
        (AssertionError(), "AssertionError"),
        (SilentError(), "SilentError"),
    ],
)
def test_an_error_of_the_call_is_a_note(batch, error, text) -> None:
    layer = Breaks()
    layer.build((batch, 3))
    layer.error = error
    plan = examine(layer)
    assert plan.notes == (f"call cannot be planned again: {text}",)
    assert [one.path for one in plan.variables] == ["dense.kernel", "dense.bias"]
