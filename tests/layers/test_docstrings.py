"""`help` of every public layer shows its arguments, its shapes and an example."""

import doctest
import inspect
import re
import typing

import pytest

from lamina import Layer, layers
from lamina.options import LayerOptions
from tests.laws.test_examples import MODULES

LAYERS = sorted(
    {kind for name in layers.__all__ if inspect.isclass(kind := getattr(layers, name))} - {Layer},
    key=lambda kind: kind.__name__,
)
COMMON = set(typing.get_type_hints(LayerOptions))
by_layer = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)


def sections(kind):
    """The parts of a docstring by their titles; "" for what precedes them."""
    parts = re.split(r"^(\w[\w ]*):\n", inspect.getdoc(kind), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(kind):
    """What the docstring says of each argument."""
    found = {}
    for names, text in re.findall(
        r"^    (\S[^:\n]*): ((?:.|\n(?=     ))*)", sections(kind).get("Args", ""), re.MULTILINE
    ):
        found |= dict.fromkeys(names.split(", "), text)
    return found


def accepted(kind):
    """The parameters of the constructor, and the options that it takes by name."""
    signature = inspect.signature(kind)
    parameters = dict(signature.parameters)
    rest = next((p for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
    if rest is None:
        return parameters, set()
    del parameters[rest.name]
    (options,) = typing.get_args(typing.get_type_hints(kind.__init__)[rest.name])
    return parameters, set(typing.get_type_hints(options))


@by_layer
def test_every_argument_is_documented(kind):
    parameters, options = accepted(kind)
    texts = documented(kind)
    assert not any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    own = set(parameters) | (options - COMMON)
    assert own - set(texts) == set(), "not documented"
    assert set(texts) - {"**options"} - set(parameters) - options == set(), "not accepted"
    if options:
        rest = texts.get("**options", "")
        assert ":class:`lamina.Layer`" in " ".join(rest.split())
        assert set(re.findall(r"``(\w+)``", rest)) <= options & COMMON - set(texts)


@by_layer
def test_every_default_is_documented(kind):
    parameters, options = accepted(kind)
    texts = documented(kind)
    optional = {n for n, p in parameters.items() if p.default is not p.empty} | (options - COMMON)
    silent = [name for name in optional if "default" not in texts[name]]
    assert [name for name in silent if not texts[name].startswith("the same for ")] == []
    assert [name for name in set(parameters) - optional if "by default" in texts[name]] == []


@by_layer
def test_shapes_are_documented(kind):
    assert "Shapes:" in inspect.getdoc(kind) or "Returns" in sections(kind)


@by_layer
def test_there_is_an_example(kind):
    """`tests/laws/test_examples.py` runs it."""
    assert inspect.getmodule(kind).__name__ in MODULES
    assert doctest.DocTestParser().get_examples(kind.__doc__)
