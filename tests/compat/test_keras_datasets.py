"""`keras.datasets`: small files in Keras's folder give the arrays that Keras reads from them."""

import gzip
import importlib
import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import FileFormatError, InputError

_random = np.random.default_rng(0)
_IMAGES = _random.integers(0, 256, (5, 28, 28)).astype("uint8")
_LABELS = np.arange(5, dtype="uint8")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def _same(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """Lamina's result, which is compared with Keras's of the same files."""
    module = importlib.import_module(f"keras.src.datasets.{name}")

    def get_file(fname: str, *_: Any, cache_subdir: str = "datasets", **__: Any) -> str:
        return str(folder.parent / cache_subdir / fname)

    monkeypatch.setattr(module, "get_file", get_file)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is not the file of")
        own = getattr(ours.datasets, name).load_data(**options)
    wanted = module.load_data(**options)
    for part, expected in zip(own, wanted, strict=True):
        for one, other in zip(part, expected, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            assert one.tolist() == other.tolist()
    return own


def _texts(count: int) -> np.ndarray:
    made = np.empty(count, object)
    made[:] = [_random.integers(1, 30, n % 5 + 2).tolist() for n in range(count)]
    return made


@pytest.mark.parametrize("name", ["boston_housing", "california_housing"])
def test_tables(name: str, keras: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(folder / f"{name}.npz", x=_random.normal(size=(11, 3)), y=np.arange(11.0))
    for options in ({}, {"test_split": 0.5, "seed": 1}):
        _same(name, folder, monkeypatch, **options)
    with (
        pytest.raises(InputError, match="test_split"),
        pytest.warns(UserWarning, match="is not the file of"),
    ):
        getattr(ours.datasets, name).load_data(test_split=1.0)


def test_digits_and_clothes(keras: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"x_train": _IMAGES, "y_train": _LABELS, "x_test": _IMAGES[:2], "y_test": _LABELS[:2]}
    np.savez(folder / "mnist.npz", **arrays)
    _same("mnist", folder, monkeypatch)
    with pytest.warns(UserWarning, match="is not the file of"):
        ours.datasets.mnist.load_data()
    (folder / "fashion-mnist").mkdir()
    for part, count in (("train", 5), ("t10k", 2)):
        for kind, header, x in (("images-idx3", 16, _IMAGES), ("labels-idx1", 8, _LABELS)):
            with gzip.open(folder / "fashion-mnist" / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + x[:count].tobytes())
    _same("fashion_mnist", folder, monkeypatch)


def test_texts(keras: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _texts(12), np.arange(12) % 2
    np.savez(folder / "imdb.npz", x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])
    np.savez(folder / "reuters.npz", x=x, y=y)
    for name in ("imdb", "reuters"):
        for options in (
            {},
            {"num_words": 12, "skip_top": 3},
            {"num_words": 12, "oov_char": None, "maxlen": 6},
            {"start_char": None, "index_from": 0, "seed": 2},
        ):
            _same(name, folder, monkeypatch, **options)
        (folder / f"{name}_word_index.json").write_text(json.dumps({"the": 1}))
        with pytest.warns(UserWarning, match="is not the file of"):
            assert getattr(ours.datasets, name).get_word_index() == {"the": 1}
    with (
        pytest.raises(InputError, match="shorter than maxlen"),
        pytest.warns(UserWarning, match="is not the file of"),
    ):
        ours.datasets.imdb.load_data(maxlen=1)
    wanted = keras.datasets.reuters.get_label_names()
    assert ours.datasets.reuters.get_label_names() == wanted


def test_texts_of_equal_length(keras: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.empty(4, object)
    for index in range(4):
        x[index] = [1, 2, index]
    np.savez(folder / "reuters.npz", x=x, y=np.arange(4))
    _same("reuters", folder, monkeypatch)


def test_small_pictures(keras: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = folder / "cifar-100-python-target" / "cifar-100-python"
    inner.mkdir(parents=True)
    for name in ("train", "test"):
        data = _random.integers(0, 256, (3, 3072)).astype("uint8")
        made = {b"data": data, b"fine_labels": [1, 2, 3], b"coarse_labels": [0, 0, 1]}
        (inner / name).write_bytes(pickle.dumps(made, protocol=3))
    for mode in ("fine", "coarse"):
        _same("cifar100", folder, monkeypatch, label_mode=mode)
    inner = folder / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    inner.mkdir(parents=True)
    data = _random.integers(0, 256, (3, 3072)).astype("uint8")
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        made = {b"data": data, b"labels": [1, 2, 3]}
        (inner / name).write_bytes(pickle.dumps(made, protocol=2))
    (x, y), (x_test, y_test) = ours.datasets.cifar10.load_data()
    assert x.shape == (15, 32, 32, 3) and y.tolist()[-3:] == [[1], [2], [3]]
    assert y.dtype == y_test.dtype == np.uint8
    np.testing.assert_array_equal(x_test, data.reshape(3, 3, 32, 32).transpose(0, 2, 3, 1))


class _Code:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made",)


def test_code_in_a_file_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    x = np.empty(1, object)
    x[:] = [[_Code()]]
    np.savez(folder / "reuters.npz", x=x, y=np.arange(1))
    with (
        pytest.raises(FileFormatError, match="mkdir"),
        pytest.warns(UserWarning, match="is not the file of"),
    ):
        ours.datasets.reuters.load_data()
    assert not (folder / "made").exists()
    inner = folder / "cifar-100-python-target" / "cifar-100-python"
    inner.mkdir(parents=True)
    for content in (pickle.dumps({b"data": _Code()}), b"", b"\x80\x04N.", pickle.dumps(np.dtype)):
        (inner / "train").write_bytes(content)
        with pytest.raises((FileFormatError, TypeError)):
            ours.datasets.cifar100.load_data()


def test_a_file_that_cannot_be_had_says_where_it_belongs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(origin: str) -> Any:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refused)
    with pytest.raises(InputError, match=r"mnist\.npz") as raised:
        ours.datasets.mnist.load_data()
    assert str(folder / "mnist.npz") in str(raised.value)
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz"):
        ours.datasets.cifar10.load_data()
