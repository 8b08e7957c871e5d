"""The examples in the docstrings of all modules run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.glob("lamina/**/*.py")
    if ">>>" in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted
    assert not outcome.failed
