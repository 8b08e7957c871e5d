"""Every public name of these modules is documented: its arguments, its result, an example."""

import inspect
import re

import pytest

from lamina import activations, constraints, initializers, losses, metrics, regularizers

MODULES = (activations, constraints, initializers, losses, metrics, regularizers)


def parameters(thing):
    """The names of the arguments of a function, or of the constructor of a class."""
    signature = inspect.signature(thing)
    return [
        name for name, one in signature.parameters.items() if name not in ("self", "cls")
    ], signature


PUBLIC = sorted(
    {
        (module.__name__, thing.__qualname__)
        for module in MODULES
        for thing in map(vars(module).get, module.__all__)
        if inspect.isclass(thing) or inspect.isfunction(thing)
    }
)
"""Classes and functions by the name of their definition; other public names are type aliases."""


def found(module, name):
    return next(vars(one)[name] for one in MODULES if one.__name__ == module)


def documented(text, section="Args"):
    """The names that a section of a docstring explains."""
    block = re.search(rf"^{section}:\n((?:[ ]+.*\n|\n(?=[ ]))*)", text + "\n", re.MULTILINE)
    lines = block[1] if block else ""
    return re.findall(r"^    (\w+): \S", lines, re.MULTILINE)


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_arguments_result_and_example_are_documented(module, name):
    thing = found(module, name)
    text = inspect.getdoc(thing)
    assert text and vars(thing).get("__doc__", thing.__doc__), "it inherits its docstring"
    names, _ = parameters(thing)
    assert documented(text) == names
    assert ">>>" in text
    first = text.split("\n\n")[0]
    assert first.endswith((".", "`")) and len(first.splitlines()) <= 2, first
    if inspect.isfunction(thing):
        assert re.search(r"^Returns:\n    \S", text, re.MULTILINE)


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_arguments_have_types(module, name):
    thing = found(module, name)
    _, signature = parameters(thing)
    kinds = [one.kind for one in signature.parameters.values()]
    assert inspect.Parameter.VAR_POSITIONAL not in kinds
    assert len(kinds) > 1 or inspect.Parameter.VAR_KEYWORD not in kinds
    assert all(one.annotation is not one.empty for one in signature.parameters.values())


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_public_methods_are_documented(module, name):
    thing = found(module, name)
    if not inspect.isclass(thing):
        return
    for method, function in vars(thing).items():
        if inspect.isfunction(function) and not method.startswith("_"):
            assert inspect.getdoc(getattr(thing, method)), method
