"""Files that are no such thing, and writing that is whole or not at all."""

import contextlib
import errno
import os
import pickle
import shutil
import stat
import subprocess
import tempfile
import threading
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import lamina
from lamina import layers
from lamina.errors import FileFormatError


def built(units: int = 2):
    layer = layers.Dense(units)
    layer(jnp.ones((1, 3)))
    return layer


@pytest.fixture
def path(tmp_path):
    built().save_weights(tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


DAMAGE = {
    "empty": lambda data: b"",
    "short header": lambda data: data[:5],
    "cut in the header": lambda data: data[:40],
    "cut in the data": lambda data: data[:-4],
    "no header": lambda data: data[8:],
    "length": lambda data: b"\xff" * 8 + data[8:],
    "more at the end": lambda data: data + b"0000",
    "zeros": lambda data: bytes(len(data)),
    "text": lambda data: b"kernel: 1, 2, 3\n" * 20,
    "json": lambda data: b'{"kernel": [1, 2, 3]}' * 20,
    "pickle": lambda data: pickle.dumps({"kernel": np.ones(3)}),
    "hdf5": lambda data: b"\x89HDF\r\n\x1a\n" + bytes(100),
    "metadata": lambda data: data.replace(b'\\"version\\"', b'\\"vexxion\\"'),
    "later version": lambda data: data.replace(b'\\"version\\": 1', b'\\"version\\": 7'),
    "broken metadata": lambda data: data.replace(b'{\\"aliases\\"', b'[\\"aliases\\"'),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
@pytest.mark.parametrize("load", ["load", "load_weights"])
def test_damaged_files(path, damage, load) -> None:
    data = DAMAGE[damage](path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    fresh, ready = layers.Dense(2), built()
    before = np.asarray(ready.kernel)
    loads = [lambda: lamina.load(path)]
    if load == "load_weights":
        loads = [lambda: fresh.load_weights(path), lambda: ready.load_weights(path)]
    for attempt in loads:
        with pytest.raises(FileFormatError, match=r"weights\.safetensors") as error:
            attempt()
        assert "remedy:" in str(error.value)
    assert not fresh.built
    np.testing.assert_array_equal(ready.kernel, before)


def test_every_cut_is_noticed(path) -> None:
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(FileFormatError, match="not a safetensors file, or is truncated"):
            layers.Dense(2).load_weights(path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "holds HDF5 data that is damaged"),
        (pickle.dumps([1] * 50), "a pickle, which Lamina never opens"),
    ],
)
def test_other_formats_are_named(path, data, match) -> None:
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=match):
        lamina.load(path)


def test_an_archive_is_named(path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kernel", "123")
    with pytest.raises(FileFormatError, match="a zip archive"):
        lamina.load(path)


def test_a_folder_is_no_file(tmp_path) -> None:
    for attempt in (lamina.load, layers.Dense(2).load_weights):
        with pytest.raises(FileFormatError, match="a directory"):
            attempt(tmp_path)


def test_no_such_file(path) -> None:
    for attempt in (lamina.load, layers.Dense(2).load_weights):
        with pytest.raises(
            FileNotFoundError, match=r"Did you mean 'weights\.safetensors'"
        ) as error:
            attempt(path.with_name("weigths.safetensors"))
        assert error.value.errno == errno.ENOENT
        with pytest.raises(FileNotFoundError, match="which does not exist"):
            attempt(path.parent / "nowhere" / "file")


def test_writing_replaces_and_leaves_nothing_beside(path) -> None:
    layer = built()
    path.chmod(0o640)
    layer.save_weights(path)
    assert os.listdir(path.parent) == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    fresh = layers.Dense(2)
    fresh.load_weights(path)
    np.testing.assert_array_equal(fresh.kernel, layer.kernel)


def test_a_new_file_has_the_usual_permissions(path) -> None:
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_a_link_goes_on_pointing_to_the_file(path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    built(5).save_weights(link)
    assert link.is_symlink()
    fresh = layers.Dense(5)
    fresh.load_weights(path)
    assert fresh.bias.shape == (5,)


def failing(number):
    def save_file(tensors, filename, metadata=None):
        with open(filename, "wb") as stream:
            stream.write(b"half of it")
        raise OSError(number, os.strerror(number))

    return save_file


def rust_failing(tensors, filename, metadata=None):
    raise safetensors.SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


def killed(tensors, filename, metadata=None):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("write", "kind", "number"),
    [
        (failing(errno.ENOSPC), OSError, errno.ENOSPC),
        (failing(errno.EACCES), PermissionError, errno.EACCES),
        (rust_failing, OSError, errno.ENOSPC),
    ],
)
def test_writing_that_fails_changes_nothing(path, monkeypatch, write, kind, number) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(safetensors.numpy, "save_file", write)
    for target in (path, path.with_name("new")):
        with pytest.raises(kind, match="cannot be written") as error:
            built(3).save_weights(target)
        assert error.value.errno == number
        assert "remedy:" in str(error.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_failing_after_the_write_changes_nothing(path, monkeypatch, step) -> None:
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="cannot be written"):
        built(3).save_weights(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupt_leaves_nothing_beside(path, monkeypatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(safetensors.numpy, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        built(3).save_weights(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_places_that_cannot_be_written_to(tmp_path) -> None:
    layer = built()
    with pytest.raises(FileNotFoundError, match="cannot be written"):
        layer.save_weights(tmp_path / "nowhere" / "file")
    with pytest.raises(IsADirectoryError, match="cannot be written"):
        layer.save_weights(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="cannot be written"):
        layer.save_weights(tmp_path / "file" / "below")
    with pytest.raises(OSError, match="cannot be written"):
        layer.save_weights(os.devnull)
    assert os.listdir(tmp_path) == ["file"]
    assert not os.path.isfile(os.devnull)


@contextlib.contextmanager
def another_user():
    """Root may write anywhere: it takes another user to see what a folder forbids."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="needs the rights of a POSIX system")
def test_a_read_only_folder() -> None:
    layer = built()
    folder = Path(tempfile.mkdtemp())  # below folders that every user may enter
    path = folder / "weights"
    try:
        layer.save_weights(path)
        before = path.read_bytes()
        folder.chmod(0o555)
        with another_user(), pytest.raises(PermissionError, match="cannot be written") as error:
            layer.save_weights(path)
        assert error.value.errno == errno.EACCES
        assert path.read_bytes() == before
        assert os.listdir(folder) == ["weights"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_full_disk(tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs to be allowed to mount a disk")
    try:
        built().save_weights(disk / "weights")
        before = (disk / "weights").read_bytes()
        with pytest.raises(OSError, match="cannot be written: No space left") as error:
            built(100_000).save_weights(disk / "weights")
        assert error.value.errno == errno.ENOSPC
        assert (disk / "weights").read_bytes() == before
        assert os.listdir(disk) == ["weights"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_readers_never_see_half_a_file(path) -> None:
    problems: list[Exception] = []
    layer, reader = built(), built()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                reader.load_weights(path)
            except Exception as error:
                problems.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(30):
        layer.save_weights(path)
    done.set()
    thread.join()
    assert problems == []
