"""The examples in docstrings of the translator application run."""

import doctest
import importlib
from pathlib import Path

import pytest

from lamina import translate

NAMES = sorted(path.stem for path in Path(translate.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__init__"])
def test_examples_run(name) -> None:
    module = importlib.import_module(f"lamina.translate.{name}")
    assert doctest.testmod(module).failed == 0
