"""`keras.saving.KerasFileEditor` shows and changes the weights that Keras's shows and changes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import FileFormatError, InputError

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _model(module: Any, units: int = 2) -> Any:
    layers = [module.layers.Dense(units, name="a"), module.layers.Dense(1, name="b")]
    made = module.Sequential([module.Input((3,)), *layers])
    made.compile("adam", "mse")
    return made


def _flat(tree: Any, above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}/{name}"
        found |= _flat(value, path) if hasattr(value, "items") else {path: value}
    return found


def _edited(editor: Any, reference: Any, path: Path) -> list[Any]:
    found: list[Any] = [editor.compare(reference)]
    editor.rename_object("layers/dense", "first")
    editor.delete_weight("layers/first", "1")
    editor.add_weights("layers/first", {"2": np.arange(3.0)})
    editor.add_object("layers/new", {"0": np.ones((2, 2))})
    editor.delete_object("layers/dense_1")
    editor.save(str(path))
    return [*found, _flat(editor.weights_dict)]


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_edits_are_those_of_keras(keras: Any, tmp_path: Path, ending: str) -> None:
    path = str(tmp_path / f"model.{ending}")
    model = _model(keras)
    (model.save if ending == "keras" else model.save_weights)(path)
    outputs: list[list[Any]] = []
    for module in (ours, keras):
        editor = module.saving.KerasFileEditor(path)
        changed = tmp_path / f"{module.__name__}.weights.h5"
        found = _edited(editor, _model(module, units=4), changed)
        read = keras.saving.KerasFileEditor(str(changed))
        outputs.append([*found, _flat(read.weights_dict)])
    (status, *own), (wanted, *theirs) = outputs
    assert status == {"status": wanted["status"], "error_count": 3, "match_count": 1}
    for one, other in zip(own, theirs, strict=True):
        assert set(one) == set(other)
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name])


def test_unchanged_weights_are_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _model(ours)
    model.save(tmp_path / "model.keras")
    editor = ours.saving.KerasFileEditor(tmp_path / "model.keras")
    editor.summary()
    assert "0: (3, 2) float32" in capsys.readouterr().out
    assert editor.compare(model)["status"] == "success"
    editor.add_object("extra", {"0": np.ones(1)})
    editor.delete_object("extra")
    editor.resave_weights(tmp_path / "again.weights.h5")
    other = _model(ours)
    other.load_weights(tmp_path / "again.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_wrong_names_and_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    _model(ours).save_weights(path)
    editor = ours.saving.KerasFileEditor(path)
    for name, message in (("nothing", "no such entry"), ("0", "Several entries")):
        with pytest.raises(InputError, match=message):
            editor.delete_object(name)
    with pytest.raises(InputError, match="is a path"):
        editor.rename_object("dense", "a/b")
    with pytest.raises(InputError, match="no such entry"):
        editor.add_object("nothing/new", {})
    with pytest.raises(InputError, match="have no names"):
        editor.add_weights("dense", [1])
    for ending in ("keras", "h5"):
        with pytest.raises(InputError, match="another ending"):
            editor.save(tmp_path / f"model.{ending}")


def test_links_and_sizes_that_are_not_there_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["vars/0"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FileFormatError, match="a link"):
        ours.saving.KerasFileEditor(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("vars/0", (1 << 20, 1 << 20), "float32", chunks=(16, 16))
    with pytest.raises(FileFormatError, match="not in the file"):
        ours.saving.KerasFileEditor(path)
