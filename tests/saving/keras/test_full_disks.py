"""Writing for Keras to a disk that is full: an error, and the old file as it was."""

import subprocess
import sys

import pytest

from lamina import Input, Sequential, layers
from lamina.saving.keras import writing

pytest.importorskip("h5py")
resource = pytest.importorskip("resource")

CODE = """
import resource, signal, sys, os
import lamina
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, name, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = lamina.load(os.path.join(folder, "model.keras"))
old = open(os.path.join(folder, name), "rb").read()
for limit in (0, 100, 5000, most // 9, most // 3, most * 2 // 3, most - 3000, most - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        (model.save if name == "model.keras" else model.save_weights)(os.path.join(folder, name))
        print("WRITTEN", limit)
    except OSError as error:
        assert "cannot be written" in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert open(os.path.join(folder, name), "rb").read() == old
    assert len(os.listdir(folder)) == 2
print("ENDED")
"""


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_a_file_that_does_not_fit_is_an_error_and_not_a_crash(name, tmp_path):
    model = Sequential([Input((40,)), layers.Dense(300), layers.Dense(200)])
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    size = str((tmp_path / name).stat().st_size)
    command = [sys.executable, "-c", CODE, str(tmp_path), name, size]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "ENDED\n", "")


def test_more_bytes_are_reserved_than_many_small_arrays_need(tmp_path, monkeypatch):
    reserved = []
    monkeypatch.setattr(writing, "_reserve", lambda path, size: reserved.append(size))
    model = Sequential([Input((1,)), *(layers.Dense(1) for _ in range(300))])
    model.save_weights(tmp_path / "m.weights.h5")
    size = (tmp_path / "m.weights.h5").stat().st_size
    assert size <= reserved[0] <= 20 * size
