"""Why shapes are as they are: what moves when one thing is doubled."""

from dataclasses import dataclass
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Layer, Spec, layers
from lamina.reports.shape_causes import reasons


def why(layer):
    found = reasons(layer, layer._lamina.built)
    return [found.get(id(variable)) for variable in layer._lamina.declared]


@dataclass(frozen=True)
class Config:
    width: int = 11


class Own(Layer):
    """A layer whose `build` is given."""

    def __init__(self, build, **attributes) -> None:
        super().__init__()
        self.how = build
        self.seen = []
        self.__dict__.update(attributes)

    def build(self, input_shape):
        self.seen.append(input_shape)
        for number, shape in enumerate(self.how(self, input_shape)):
            setattr(self, f"weight_{number}", self.add_weight(shape))

    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda self, s: [(s[-1], s[-1])], [("axis -1 of x",) * 2]),
        (lambda self, s: [(s[-1], self.units)], [("axis -1 of x", "units")]),
        (lambda self, s: [(3 * s[-1],)], [("3 * axis -1 of x",)]),
        (lambda self, s: [(s[1] * s[2],)], [("axis -2 of x * axis -1 of x",)]),
        (lambda self, s: [(s[-1] * self.units,)], [("axis -1 of x * units",)]),
        (lambda self, s: [(s[-1] + 1,)], [("follows axis -1 of x",)]),
        (lambda self, s: [(s[-1] + s[1],)], [("follows axis -2 of x and axis -1 of x",)]),
        (lambda self, s: [(*self.size, s[2])], [("size[0]", "size[1]", "axis -1 of x")]),
        (lambda self, s: [(8, 2), ()], [("fixed", "fixed"), ()]),
        (lambda self, s: [(self.units // 4,)], [("follows units",)]),
        (lambda self, s: [(s[-1] // self.groups,)], [("axis -1 of x / groups",)]),
        (lambda self, s: [(3 * s[-1] // self.groups,)], [("3 * axis -1 of x / groups",)]),
        (lambda self, s: [(s[-1] // self.one,)], [("axis -1 of x",)]),
        (lambda self, s: [(s[self.axis],)], [("axis -2 of x",)]),
        (lambda self, s: [(2 * s[self.axis],)], [("follows axis -2 of x and axis",)]),
        (lambda self, s: [(self.mixed[1],)], [("mixed[1]",)]),
        (lambda self, s: [(self.sizes[1],)], [("sizes[1]",)]),
        (lambda self, s: [(self.options["width"],)], [("options['width']",)]),
        (lambda self, s: [(self.config.width,)], [("config.width",)]),
        (lambda self, s: [(self.plain.width,)], [("plain.width",)]),
        (lambda self, s: [(int(self.counted),)], [("counted",)]),
        (lambda self, s: [(self.child.units,)], [("child.units",)]),
    ],
)
def test_reasons(build, expected) -> None:
    layer = Own(
        build,
        units=8,
        size=(2, 3),
        flag=True,
        name_="text",
        groups=2,
        one=1,
        axis=1,
        mixed=(None, 7),
        sizes=[5, 6],
        options={"width": 9},
        config=Config(),
        plain=SimpleNamespace(width=13),
        counted=np.int64(14),
    )
    layer.child = layers.Dense(15)
    layer.build((None, 5, 4))
    assert why(layer) == expected


def test_every_weight_has_reasons_though_the_first_moves() -> None:
    gru = layers.GRU(4)
    gru(jnp.ones((2, 3, 5)))
    assert why(gru) == [
        ("axis -1 of sequences", "3 * units"),
        ("units", "3 * units"),
        ("fixed", "3 * units"),
    ]


class Inputs(Layer):
    def build(self, query_shape, values_shape):
        self.kernel = self.add_weight((query_shape[-1], values_shape["keys"][0][-1]))

    def call(self, query, values):
        return query @ self.kernel


def test_inputs_by_name_and_nested() -> None:
    layer = Inputs()
    layer.build(query=(None, 3), values={"keys": [Spec((2, 7)), None]})
    assert why(layer) == [("axis -1 of query", "axis -1 of values['keys'][0]")]


def refuses(self, shape):
    if shape[-1] != 4:
        raise ValueError("only 4")
    return [(shape[-1], self.units)]


def counts(self, shape):
    self.times = getattr(self, "times", 0) + 1
    return [(self.times,)]


def guarded(self, shape):
    return [] if hasattr(self, "weight_0") else [(shape[-1],)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (refuses, ("not known", "units")),
        (counts, ("not known",)),
        (guarded, ("not known",)),
    ],
)
def test_builds_that_do_not_take_it(build, expected) -> None:
    layer = Own(build, units=8)
    layer.build((None, 5, 4))
    assert why(layer) == [expected]


def test_nothing_of_the_asking_stays(capsys) -> None:
    def build(self, shape):
        print("building")
        self.notes[shape[-1]] = shape
        return [(shape[-1], self.units)]

    layer = Own(build, units=8, notes={})
    layer.build((None, 5, 4))
    layer.weight_0.assign(layer.weight_0 + 1)
    capsys.readouterr()
    before, seen, notes = dict(layer.__dict__), list(layer.seen), dict(layer.notes)
    built, declared = layer._lamina.built, list(layer._lamina.declared)
    assert why(layer) == [("axis -1 of x", "units")]
    assert capsys.readouterr().out == ""
    assert layer.__dict__ == before
    assert (layer.seen, layer.notes) == (seen, notes)
    assert layer._lamina.built is built
    assert all(a is b for a, b in zip(layer._lamina.declared, declared, strict=True))
    assert layer._lamina.loose == []


class ByHand(Layer):
    """Builds its children itself, and makes one while it builds."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(3)
        self.pair = Pair()

    def build(self, shape):
        self.inner.build(shape)
        self.pair.build(shape)
        self.made = layers.Dense(2)
        self.made.build(shape)
        self.scale = self.add_weight((shape[-1],), "ones")

    def call(self, x):
        return self.made(x * self.scale) + self.pair(x)


class Pair(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_children_built_by_hand() -> None:
    layer = ByHand()
    layer(jnp.ones((1, 4)))
    made = layer.made
    assert why(layer) == [("axis -1 of x",)]
    assert layer.made is made
    assert why(made) == [("axis -1 of inputs", "units"), ("units",)]


def test_nothing_to_tell_before_the_build() -> None:
    assert reasons(layers.Dense(2), None) == {}
    assert reasons(Pair(), None) == {}


def test_sizes_that_follow_from_the_weights_of_a_child_are_not_called_fixed() -> None:
    layer = layers.SpectralNormalization(layers.Dense(6))
    layer.build((None, 4))
    assert why(layer)[0] == ("not known", "not known")


def test_what_is_beyond_the_limit_of_sizes_is_not_called_fixed() -> None:
    layer = Own(lambda self, s: [(self.many[-1],)], many=[*range(1, 200)])
    layer.build((None, 4))
    assert why(layer) == [("not known",)]


def test_sizes_in_a_long_attribute_are_not_tried_one_by_one() -> None:
    asked = []

    def build(self, shape):
        asked.append(shape)
        return [(shape[-1],), (5,)]

    layer = Own(build, words={str(number): number for number in range(1000)})
    layer.build((None, 4))
    assert why(layer) == [("axis -1 of x",), ("not known",)]
    assert len(asked) < 10


@pytest.mark.parametrize("groups", [1, 2])
def test_the_channels_of_a_convolution(groups) -> None:
    layer = layers.Conv2D(6, (3, 5), groups=groups)
    layer.build((None, 8, 8, 4))
    channels = "axis -1 of inputs" + (" / groups" if groups > 1 else "")
    assert why(layer)[0] == ("kernel_size[0]", "kernel_size[1]", channels, "filters")
