"""What is public is what is listed; importing it needs none of the extras."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import lamina

PUBLIC = {
    "Input", "InputSpec", "Layer", "Model", "Plan", "Sequential", "Spec", "Trainer", "Variable",
    "activations", "added_losses", "checkpoint", "constraints", "distribute", "doctor",
    "dtype_policy", "errors", "files",
    "initializers", "jit", "layers", "load",
    "load_exported", "deserialize", "generate", "serialize", "remat", "losses", "metrics",
    "plot_attention", "plot_model", "quantizers", "regularizers",
    "set_build_wait", "set_default_rng", "set_dtype_policy", "set_seed",
}  # fmt: skip


def test_the_list_is_this_one():
    assert set(lamina.__all__) == PUBLIC
    assert all(hasattr(lamina, name) for name in PUBLIC)


MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(lamina.__path__, "lamina.")
    if name != "lamina.__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_what_it_holds(name):
    module = importlib.import_module(name)
    assert module.__doc__ or not getattr(module, "__all__", None)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.{public}"


def test_the_library_is_imported_without_extras_and_peers():
    code = (
        "import sys, lamina, lamina.cli; "
        "print([m for m in ('babel', 'matplotlib', 'tokenizers', 'keras', 'torch', 'flax',"
        " 'starlette', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
