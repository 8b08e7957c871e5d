"""Models and inputs as they are named on a command line."""

import sys

import pytest

from lamina import Spec, layers
from lamina.errors import InputError
from lamina.factories import load_factory, parse_input

CODE = """
from lamina import layers
def make():
    return layers.Dense(3)
ready = layers.Dense(4)
class Kinds:
    Inner = staticmethod(lambda: layers.Dense(5))
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "models_of_a_test.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "models_of_a_test"
    sys.modules.pop("models_of_a_test", None)


@pytest.mark.parametrize(("name", "units"), [("make", 3), ("ready", 4), ("Kinds.Inner", 5)])
def test_a_model_of_the_working_directory(module, name, units) -> None:
    assert load_factory(f"{module}:{name}").units == units


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("models_of_a_test", "no module or no attribute"),
        (":make", "no module or no attribute"),
        ("models_of_a_test:none", "has no 'none'"),
        ("models_of_a_test:number", "is not a class or function"),
        ("no_such_module_of_a_test:make", "no module 'no_such_module_of_a_test'"),
        ("models_of_a_test.inner:make", "no module 'models_of_a_test.inner'"),
    ],
)
def test_a_name_that_leads_nowhere(module, name, words) -> None:
    with pytest.raises(InputError, match=words):
        load_factory(name)


def test_a_module_that_the_named_one_lacks(module, tmp_path) -> None:
    (tmp_path / "models_of_a_test.py").write_text("import no_such_module_of_a_test")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_of_a_test"):
        load_factory("models_of_a_test:make")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x=float32[64,1]", ("x", Spec((64, 1)))),
        ("int32[?, time]", (None, Spec((None, "time"), "int32"))),
        (" x = bool[] ", ("x", Spec((), "bool"))),
        ("bfloat16[None,3]", (None, Spec((None, 3), "bfloat16"))),
    ],
)
def test_specs(text, expected) -> None:
    assert parse_input(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "float32", "float32[", "[3]", "float32[-1]", "float32[2,,3]", "x=y=int8[1]"],
)
def test_what_is_no_spec(text) -> None:
    with pytest.raises(InputError):
        parse_input(text)


def test_its_layers_can_be_built(module) -> None:
    layer = load_factory(f"{module}:make")
    layer.build(parse_input("float32[?,2]")[1])
    assert layer.kernel.shape == (2, 3)
    assert isinstance(layer, layers.Dense)
