"""The names of a model's inputs, and where the dims of its weights come from."""

import pytest

from lamina import Input, Layer, Model, Sequential, Spec, layers
from lamina.reports import Explanation, examine, inventory
from lamina.reports.origins import Origins, input_labels


class Sum(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(2), layers.Dense(2)

    def call(self, *parts, mask=None):
        return self.first(parts[0]) + self.second(parts[1])


class Named(Sum):
    def call(self, z, a):
        return self.first(z) + self.second(a)

    def inverted(self, code):
        return self.first(code)


LEFT, RIGHT = Spec((None, 5)), Spec((None, 7))


def graph(form) -> Model:
    left, right = Input((5,), name="left"), Input((7,), name="right")
    first, second = layers.Dense(2, name="first"), layers.Dense(2, name="second")
    return Model(form(left, right), layers.Add()([first(left), second(right)]))


@pytest.mark.parametrize(
    ("model", "args", "kwargs", "names"),
    [
        pytest.param(Sum, (LEFT, RIGHT), {}, ("parts_0", "parts_1"), id="any-number"),
        pytest.param(Named, (LEFT, RIGHT), {}, ("z", "a"), id="positions"),
        pytest.param(Named, (), {"z": LEFT, "a": RIGHT}, ("z", "a"), id="names"),
        pytest.param(lambda: graph(lambda a, b: [a, b]), (), {}, ("left", "right"), id="graph"),
        pytest.param(
            lambda: graph(lambda a, b: [b, a]),
            ({"left": LEFT, "right": RIGHT},),
            {},
            ("left", "right"),
            id="graph-of-dict",
        ),
        pytest.param(
            lambda: graph(lambda a, b: {"r": b, "l": a}), (), {}, ("l", "r"), id="dict-of-graph"
        ),
        pytest.param(
            lambda: graph(lambda a, b: [a, b]), ([LEFT, RIGHT],), {}, ("left", "right"), id="list"
        ),
    ],
)
def test_the_origin_of_a_size_is_an_input_by_its_name(model, args, kwargs, names) -> None:
    plan = examine(model(), *args, **kwargs)
    kernels = [one for one in plan.variables if one.path.endswith("kernel")]
    found = {one.path: Origins(plan).of(one, 0) for one in kernels}
    expected = [f"axis -1 of {name} of the model" for name in names]
    assert found == dict(zip(("first.kernel", "second.kernel"), expected, strict=True))
    assert set(plan.layers[0].inputs) == set(names)


def test_names_of_one_method_are_not_those_of_another() -> None:
    model = Named()
    model.build(LEFT, RIGHT)
    model.build(LEFT, method="inverted")
    plan = examine(model)
    labels = [
        [name for name, _ in input_labels(call, plan.layers[0])]
        for call in plan.calls
        if call.caller < 0
    ]
    assert labels == [["z", "a"], ["0"]]


def test_a_dict_for_one_input_keeps_its_name() -> None:
    class Of(Layer):
        def call(self, x, y=None):
            return x["x"]

    plan = examine(Sequential([Of()]), {"x": LEFT})
    call = next(one for one in plan.calls if one.path == "layers.0")
    layer = next(one for one in plan.layers if one.path == "layers.0")
    assert [name for name, _ in input_labels(call, layer)] == ["x['x']"]


def test_an_unbuilt_layer_of_any_number_of_inputs_says_so() -> None:
    text = str(Explanation(inventory(Sum())))
    assert "needs *parts" in text and "build(shape, ...)" in text
