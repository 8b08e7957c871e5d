"""The pages as plain text, whole."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from lamina import Layer, Model, Sequential, Spec, layers
from lamina.reports import Explanation, Summary, examine, inventory

COLOURS = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
PAGES = Path(__file__).parent / "pages"


def explanation_text(layer: Layer) -> str:
    return str(Explanation(examine(layer)))


def summary_text(layer: Layer) -> str:
    return str(Summary(inventory(layer)))


class Attention(Layer):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.W1, self.W2 = layers.Dense(units), layers.Dense(units)
        self.V = layers.Dense(1)

    def call(self, query, values):
        scores = self.V(jnp.tanh(self.W1(query)[:, None] + self.W2(values)))
        return (jax.nn.softmax(scores, 1) * values).sum(1), scores


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(10)
        self.blocks = [Sequential([layers.Dense(6, use_bias=False), layers.BatchNormalization()])]
        self.again = self.attention.V
        self.never = layers.Dense(3)
        self.scale = self.add_weight((2,), "ones", trainable=False)

    def call(self, query, values, mask=None, training=False):
        context, scores = self.attention(query, values)
        if training:
            raise NotImplementedError("not to be trained")
        return {"out": self.blocks[0](context), "scores": scores}, self.scale


def normal(text: str) -> str:
    text = re.sub(r"\S*?((?:lamina/layers|lamina/models)/\w+\.py):\d+", r"\1:N", text)
    return re.sub(r"\S*test_pages\.py:\d+", "test_pages.py:N", text)


def built() -> Net:
    net = Net()
    net.build(query=(None, 6), values=Spec((None, "time", 6)))
    net.attention.W2.trainable = False
    return net


def dense() -> layers.Dense:
    layer = layers.Dense(3)
    layer(jnp.ones((2, 4)))
    return layer


@pytest.mark.parametrize(
    ("page", "write"), [("summary", summary_text), ("explanation", explanation_text)]
)
@pytest.mark.parametrize(("suffix", "make"), [("", built), ("_unbuilt", Net), ("_dense", dense)])
def test_pages(page, write, suffix, make) -> None:
    expected = (PAGES / f"{page}{suffix}.txt").read_text()
    assert normal(write(make())) + "\n" == expected


def test_printing_is_plain_where_there_is_no_terminal(capsys, monkeypatch) -> None:
    for name in COLOURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "20")
    net = built()
    pages = f"{net.summary()}\n{net.explain()}\n"
    printed = capsys.readouterr().out
    assert printed == pages
    assert printed.isascii()
    assert "\x1b" not in printed


SCRIPT = """
from lamina import Sequential, layers
model = Sequential([layers.Dense(3) for _ in range(2)])
model.build((None, 4))
model.summary()
model.explain()
"""


def test_a_pipe_gets_plain_text() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in COLOURS}
    environment |= {"PYTHONIOENCODING": "ascii", "COLUMNS": "30"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "  layers.1   Dense        float32[?, 3]   kernel (3, 3)       12\n" in done.stdout
    assert "layers.1  Dense\n" in done.stdout
    assert "\x1b" not in done.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_cuts_no_path(monkeypatch) -> None:
    for name in COLOURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    net = built()
    net.summary()
    net.explain()
    text = terminal.getvalue()
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "…" not in plain
    assert "blocks.0.layers.1  BatchNormalization" in plain
    table = plain[plain.index("layer ") : plain.index("213 parameters")]
    assert max(map(len, table.splitlines())) <= 60


def test_a_report_changes_nothing() -> None:
    net = built()
    before = {path: id(value) for path, value in net.values().items()}
    attributes, known = dict(net.__dict__), vars(net._lamina.plans.copy())
    built_as, edition = net._lamina.built, net.never.built
    explanation_text(net)
    summary_text(net)
    assert {path: id(value) for path, value in net.values().items()} == before
    assert net.__dict__ == attributes
    assert vars(net._lamina.plans) == known
    assert net._lamina.built is built_as
    assert net.never.built is edition is False
    fresh = Net()
    explanation_text(fresh)
    assert not fresh.built


class Names(Layer):
    """Uses the names of the public conveniences for its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [layers.Dense(2)]
        self.values = self.variables = self.name = "mine"

    def call(self, x):
        print("called")
        return self.layers[0](x)


def test_names_are_the_users(capsys) -> None:
    layer = Names()
    layer(jnp.ones((1, 2)))
    capsys.readouterr()
    assert "layers.0  Dense" in explanation_text(layer)
    assert "layers.0   Dense" in summary_text(layer)
    assert capsys.readouterr().out == ""


class NoCall(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.part = layers.Dense(2)


def test_a_root_without_a_call() -> None:
    layer = NoCall()
    assert "It needs a call method, which its class does not define" in explanation_text(layer)
    layer.part(jnp.ones((1, 3)))
    assert "3 = axis -1 of inputs, 2 = units" in explanation_text(layer)
    assert "kernel (3, 2)" in summary_text(layer)


TEACHER = layers.Dense(2)


class Student(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)
        self.parent = None

    def call(self, x):
        return self.dense(x) - TEACHER(x)


def test_what_is_used_from_outside() -> None:
    TEACHER(jnp.ones((1, 3)))
    TEACHER.trainable = False
    student = Student()
    student(jnp.ones((1, 3)))
    student.dense.parent = student  # a cycle is no second place
    text = explanation_text(student)
    assert "Used from outside, built and frozen there\n  Dense made at" in text
    assert "Shared" not in text


def test_a_frozen_root() -> None:
    net = built()
    net.trainable = False
    assert "0 trainable, 213 not trainable" in summary_text(net)
    assert "Net  the root  [frozen]" in explanation_text(net)


class Replaced(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = layers.Dense(4), layers.Dense(2)

    def call(self, x):
        return self.head(self.body(x))


def test_a_new_head_is_awaited_and_not_unused() -> None:
    layer = Replaced()
    layer(jnp.ones((1, 3)))
    layer.head = layers.Dense(5)
    text = explanation_text(layer)
    assert "Not built\n  head needs inputs" in text
    assert "Unused" not in text
    assert "not built: head needs inputs" in summary_text(layer)


def test_a_way_in_that_no_longer_works_is_a_note() -> None:
    layer = Replaced()
    layer(jnp.ones((1, 3)))
    layer.body = layers.Dense(7)
    assert "Note\n  call cannot be planned again: head (Dense) was built" in explanation_text(layer)


class Peeking(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)
        self.pages: list[str] = []

    def call(self, x):
        y = self.dense(x)
        self.pages.append(explanation_text(self) + summary_text(self))
        return y


def test_a_report_inside_a_call() -> None:
    layer = Peeking()
    layer(jnp.ones((1, 3)))
    assert "dense  Dense" in layer.pages[-1]


def test_a_class_without_a_source() -> None:
    space: dict = {"Layer": Layer}
    exec("class Typed(Layer):\n    def call(self, x):\n        return x", space)
    layer = space["Typed"]()
    layer(jnp.ones(1))
    assert "(source not available)" in explanation_text(layer)
