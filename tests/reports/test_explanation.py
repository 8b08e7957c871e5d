"""The parts of an explanation that one asks for."""

import json
import re
import sys
import types

import jax.numpy as jnp
import pytest

from lamina import Layer, Plan, Sequential, layers
from lamina.errors import BuildError, InputError, UnknownNameError
from lamina.reports import Explanation, Summary, examine


class Decoder(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(6), layers.Dense(2)
        self.same = self.second

    def call(self, x):
        return self.second(jnp.tanh(self.first(x)))


def test_before_the_build_specs_tell_what_it_would_do(capsys) -> None:
    model = Decoder()
    report = model.explain((None, 3))
    text = str(report)
    assert capsys.readouterr().out == f"{text}\n"
    assert "Decoder is planned for x: float32[?, 3]." in text
    assert "3 = axis -1 of inputs (axis -1 of x of the model), 6 = units" in text
    assert "6 = axis -1 of inputs (units of first), 2 = units" in text
    assert "by the root, at " in text
    assert not model.built


def test_one_layer_one_weight_and_one_name() -> None:
    model = Decoder()
    model.build((None, 3))
    layer = str(model.explain("second"))
    assert layer.startswith("second  Dense")
    assert "Shared: it is also\n  same" in layer
    assert "6: axis 1 of first.kernel, axis 0 of first.bias, axis 0 of second.kernel" in layer
    assert str(model.explain("same")) == layer
    weight = str(model.explain("second.kernel"))
    assert weight.startswith("second.kernel  of Dense")
    assert "axis 0   6 = axis -1 of inputs (units of first)" in weight
    every = str(model.explain(why="kernel"))
    assert "first.kernel  of Dense" in every
    assert weight in every
    assert str(model.explain(why="second.kernel")) == weight


def test_an_unknown_path_names_the_nearest() -> None:
    model = Decoder()
    model.build((None, 3))
    with pytest.raises(UnknownNameError, match="Did you mean 'second'"):
        model.explain("secnd")
    with pytest.raises(UnknownNameError, match="no weight 'kernl'"):
        model.explain(why="kernl")


def test_wrong_specs_are_the_errors_of_a_plan() -> None:
    with pytest.raises(InputError):
        Decoder().explain((None, 3), (None, 3))
    with pytest.raises(BuildError):
        Decoder().explain((None, None))


def test_a_report_is_made_from_the_plan_alone() -> None:
    plan = examine(Decoder(), (None, 3))
    assert str(Explanation(Plan.from_json(plan.to_json()))) == str(Explanation(plan))


def test_a_layer_that_is_called_often_lists_some_calls() -> None:
    class Loop(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            for _ in range(7):
                x = self.dense(x)
            return x

    model = Loop()
    text = str(model.explain((None, 3)))
    assert "and 4 more calls" in text
    assert "call 7 by the root" not in text
    assert "call 7 by the root" in str(model.explain((None, 3), path="dense"))


def test_what_was_built_apart_is_marked() -> None:
    model = Sequential([layers.Dense(2), layers.Dense(3)])
    model.layers[0].build((None, 4))
    model.build((None, 4))
    assert "layers.0  Dense  [built apart]" in str(model.explain())
    assert "layers.1  Dense\n" in str(model.explain())


def test_a_page_is_written_whole_and_shows_changes(tmp_path) -> None:
    earlier = examine(Decoder(), (None, 3))
    report = Explanation(examine(Decoder(), (None, 4)))
    page = report.to_html(tmp_path / "page.html", other=earlier)
    assert (tmp_path / "page.html").read_text("utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(OSError):
        report.to_html(tmp_path)


class Kernel:
    """The shell of a notebook."""

    kernel = True
    execution_count = 1


@pytest.fixture
def notebook(monkeypatch):
    """The results that a notebook would show."""
    shown: list[dict[str, str]] = []
    fake = types.ModuleType("IPython")
    fake.get_ipython = Kernel
    display = types.ModuleType("IPython.display")
    display.display = lambda bundle, raw: shown.append(bundle)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_a_notebook_shows_a_report_once(notebook, capsys, monkeypatch) -> None:
    model = Decoder()
    result = model.explain((None, 3))
    result._ipython_display_()  # the value of the cell
    assert len(notebook) == 1
    assert "iframe" in notebook[0]["text/html"]
    assert notebook[0]["text/plain"] == str(result)
    result._ipython_display_()  # again
    assert len(notebook) == 2
    model.summary()._ipython_display_()
    assert len(notebook) == 3
    assert "<pre>Decoder is not built" in notebook[2]["text/html"]
    kept = model.summary()
    monkeypatch.setattr(Kernel, "execution_count", 2)
    kept._ipython_display_()  # the value of a later cell
    assert len(notebook) == 5
    assert capsys.readouterr().out == ""


def test_a_notebook_shows_only_the_part_that_was_asked_for(notebook) -> None:
    Decoder().explain(why="kernel", x=(None, 3))
    assert "<pre>first.kernel" in notebook[0]["text/html"]


def test_layers_and_plans_have_a_page_in_notebooks() -> None:
    model = Decoder()
    assert "iframe" in model._repr_html_()
    assert "iframe" in model.plan((None, 3))._repr_html_()
    model.build((None, 3))
    assert "first.kernel" in model._repr_html_()


HOSTILE = "a\x1b[31m\x00\u202e\ud800\nUnused: no call reaches it" + "x" * 100_000


def hostile(value):
    """Append the hostile text to every string that is no line of a file or dtype of a spec."""
    if isinstance(value, dict):
        return {
            key: item if key == "dtype" and "path" not in value else hostile(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [hostile(item) for item in value]
    if not isinstance(value, str) or not value:  # the path of the root
        return value
    return HOSTILE + value if re.search(r":\d+$", value) else value + HOSTILE


def test_hostile_names_show_as_one_short_line_of_plain_text() -> None:
    given = json.loads(examine(Decoder(), (None, 3)).to_json())
    plan = Plan.from_json(json.dumps(hostile(given)))
    path = plan.variables[0].path
    shown = [
        *(str(plan), str(plan.diff(Plan.from_json(json.dumps(given)))), str(Summary(plan))),
        *(str(Explanation(plan)), str(Explanation(plan, path=path)), repr(Explanation(plan))),
        str(Explanation(plan, why=path)),
    ]
    for text in shown:
        assert text.replace("\n", "").isprintable()
        assert max(map(len, text.splitlines())) < 20_000
        assert "\nUnused: no call" not in text
        assert "a\\x1b[31m\\x00\\u202e\\ud800\\nUnused" in text
