"""The lines of the user's file that calls and weights are recorded with."""

from __future__ import annotations

import inspect
from pathlib import Path

import lamina
from lamina import Layer, layers
from lamina.core.base import sites


class Inner(Layer):
    def __init__(self):
        super().__init__()
        self.given = layers.Dense(3)

    def build(self, input_shape):
        self.own = self.add_weight((3,))  # line of `own`
        self.made = layers.Dense(2)

    def call(self, inputs):
        hidden = self.given(inputs)  # line of `given`
        return self.made(hidden)  # line of `made`


class Outer(Layer):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.chain = lamina.Sequential([layers.Dense(4), layers.Dense(4)])

    def call(self, inputs):
        hidden = self.inner(inputs)  # line of `inner`
        return self.chain(hidden)  # line of `chain`


def line_of(name: str) -> int:
    lines, first = inspect.getsourcelines(inspect.getmodule(Outer))
    assert first == 0
    return next(n for n, line in enumerate(lines, 1) if line.endswith(f"# line of `{name}`\n"))


def test_weights_are_declared_in_the_innermost_line_of_the_user():
    outer = Outer()
    outer.build((None, 5))
    expected = {
        "inner.given.kernel": "given",
        "inner.given.bias": "given",
        "inner.own": "own",
        "inner.made.kernel": "made",
        "inner.made.bias": "made",
        "chain.layers.0.kernel": "chain",
        "chain.layers.1.bias": "chain",
    }
    for path, name in expected.items():
        at = {variable.path: variable for variable in outer.variables}[path].declared_at
        assert (Path(at.file).name, at.line) == (Path(__file__).name, line_of(name)), path


def test_calls_are_planned_with_the_innermost_line_of_the_user():
    lines = {call.path: call.called_at.line for call in Outer().plan((None, 5)).calls}
    names = {
        "inner": "inner",
        "inner.given": "given",
        "inner.made": "made",
        "chain": "chain",
        "chain.layers.0": "chain",
        "chain.layers.1": "chain",
    }
    assert {path: line for path, line in lines.items() if path} == {
        path: line_of(name) for path, name in names.items()
    }


def test_a_library_below_a_symbolic_link_is_a_library(tmp_path) -> None:
    (tmp_path / "real" / "jax").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = sites._folders(str(tmp_path / "link" / "jax" / "__init__.py"))
    assert set(found) == {
        str(tmp_path / "link" / "jax"),
        str((tmp_path / "real" / "jax").resolve()),
    }
