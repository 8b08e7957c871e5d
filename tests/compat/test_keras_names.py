"""The page of Keras's names is that of a fresh run, and no name of Lamina's is another module's."""

import importlib
import os

import pytest

from lamina.compat.keras.missing import DIFFERS, INSTEAD
from tests.compat.keras_names import PAGE, keras_names, page, standing


@pytest.fixture(scope="module")
def names() -> dict[str, list[str]]:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    pytest.importorskip("keras")
    return keras_names()


def test_the_page_is_that_of_a_fresh_run(names: dict[str, list[str]]) -> None:
    version = importlib.import_module("keras").__version__
    written = PAGE.read_text("utf-8")
    if f"Keras {version}" not in written:
        pytest.skip(f"the page has the names of another version than {version}: run make names")
    assert written == page(), "run make names"


def test_every_missing_name_says_what_serves_instead(names: dict[str, list[str]]) -> None:
    for module, public in names.items():
        for name in public:
            kind, how = standing(module, name)
            assert (kind == "Served") == (how == ""), f"{module}.{name}"


def test_every_entry_is_about_a_name_of_keras(names: dict[str, list[str]]) -> None:
    known = {*names, *(f"{module}.{name}" for module, public in names.items() for name in public)}
    known |= {module.rpartition(".")[0] for module in names}
    old = {"keras.preprocessing.text"}  # of Keras 2
    assert {*DIFFERS, *INSTEAD} - known <= old
    for full in INSTEAD:
        module, _, name = full.rpartition(".")
        if full not in names and name in names.get(module, ()):
            assert standing(module, name)[0] == "Not served", full
