"""The examples in the docstrings of all modules run, and print what they say."""

import doctest
import importlib
import linecache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.glob("lamina/**/*.py")
    if ">>>" in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module(module, monkeypatch):
    # Doctest's debugger calls it for each example, which looks at every file that was ever shown.
    monkeypatch.setattr(linecache, "checkcache", lambda filename=None: None)
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted
    assert not outcome.failed
