"""Checkpoints: what is saved, found again, refused; disks that are full, files that are damaged."""

import json
import os
import shutil
import subprocess
import sys
import warnings

import jax
import numpy as np
import optax
import pytest

import lamina
from lamina import Sequential, Trainer, layers
from lamina.errors import FileFormatError, InputError
from lamina.training import Callback
from lamina.training.checkpoints import store

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 64)
LOSS = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
BATCHES = [(X[at : at + 16], Y[at : at + 16]) for at in range(0, 64, 16)]


def network():
    lamina.set_seed(3)
    return Sequential([layers.Dense(6), layers.BatchNormalization(), layers.Dense(3)])


def compiled(optimizer="adam"):
    model = network()
    model.compile(optimizer, LOSS, ["accuracy"])
    return model


def same(left, right):
    assert left.keys() == right.keys()
    for path in left:
        np.testing.assert_array_equal(left[path], right[path], err_msg=path)


NOISY = optax.chain(optax.add_noise(0.1, 0.55, 0), optax.adam(1e-2))


@pytest.mark.parametrize(
    ("optimizer", "built"), [("adam", False), (NOISY, True)], ids=["adam", "with a key"]
)
def test_a_trainer_goes_on_as_if_never_stopped(tmp_path, optimizer, built):
    model = network()
    trainer = Trainer(model, optimizer, LOSS, ["accuracy"])
    for batch in BATCHES[:3]:
        trainer.step(batch)
    folder = trainer.save(tmp_path)
    trainer.step(BATCHES[3])
    logs = trainer.logs()
    lamina.set_seed(99)
    twin = Sequential([layers.Dense(6), layers.BatchNormalization(), layers.Dense(3)])
    if built:
        twin.build(X[:1])
    again = Trainer.restore(tmp_path, twin, optimizer, LOSS, ["accuracy"])
    assert again.wait() == 3
    again.step(BATCHES[3])
    assert again.wait() == 4
    same(twin.values(), model.values())
    assert again.logs() == logs
    other = Sequential([layers.Dense(6), layers.BatchNormalization(), layers.Dense(3)])
    other.load_weights(folder / "weights.safetensors")
    assert other.built


def test_steps_go_on_while_a_checkpoint_is_written(tmp_path):
    model = network()
    trainer = Trainer(model, "adam", LOSS)
    for batch in BATCHES[:2]:
        trainer.step(batch)
    taken = trainer.snapshot()
    expected = {path: np.array(value) for path, value in model.values().items()}
    for batch in BATCHES:
        trainer.step(batch)
    same(dict(taken.contents().weights), expected)


def test_nothing_to_save_and_nothing_to_restore(tmp_path):
    with pytest.raises(InputError, match="nothing to save before"):
        Trainer(network(), "adam", LOSS).save(tmp_path)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="There is no checkpoint"):
            Trainer.restore(folder, network(), "adam", LOSS)


def saved(directory, count=1, keep=3):
    trainer = Trainer(network(), "adam", LOSS)
    for number in range(count):
        trainer.step(BATCHES[number % 4])
        trainer.save(directory, keep=keep)
    return trainer


def test_the_last_few_are_kept(tmp_path):
    saved(tmp_path, 5, keep=2)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint-000004", "checkpoint-000005"]
    found = store.newest(tmp_path)
    assert found is not None and found.arrays["steps"] == 5


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    saved(directory, 2)
    return directory


@pytest.mark.parametrize("name", ["weights.safetensors", "training.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["a byte", "cut short", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, two, name, damage):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoint-000002" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content if damage == "a byte" else content[:-7])
    with pytest.warns(UserWarning, match="checkpoint-000002 is damaged"):
        again = Trainer.restore(tmp_path, network(), "adam", LOSS)
    assert again.wait() == 1
    (tmp_path / "checkpoint-000001" / name).unlink()
    with warnings.catch_warnings(), pytest.raises(FileFormatError, match="No checkpoint in"):
        warnings.simplefilter("ignore")
        Trainer.restore(tmp_path, network(), "adam", LOSS)


def test_what_does_not_fit_is_told(two):
    with pytest.raises(FileFormatError, match="to another optimizer"):
        Trainer.restore(two, network(), "sgd", LOSS)
    wider = Sequential([layers.Dense(7), layers.BatchNormalization(), layers.Dense(3)])
    with pytest.raises(FileFormatError, match="kernel"):
        Trainer.restore(two, wider, "adam", LOSS)
    more = Trainer.restore(two, network(), "adam", LOSS, ["accuracy"])
    more.step(BATCHES[0])  # other metrics begin anew
    assert set(more.logs()) == {"loss", "accuracy"}


def test_a_checkpoint_of_another_optimizer_changes_nothing(two):
    for built in (True, False):
        model = network()
        model.compile("rmsprop", LOSS)
        if built:
            model.fit(X, Y, 16, verbose=0)
        before = {path: np.array(value) for path, value in model.values().items()}
        steps = model.trainer.wait()
        with pytest.raises(FileFormatError, match="to another optimizer"):
            model.fit(X, Y, 16, epochs=3, checkpoint_dir=two, resume=True, verbose=0)
        assert model.built is built and model.trainer.wait() == steps
        same(model.values(), before)
        model.fit(X, Y, 16, verbose=0)


def test_a_folder_with_checkpoints_is_not_written_over(tmp_path):
    compiled().fit(X, Y, 16, checkpoint_dir=tmp_path, verbose=0)
    with pytest.raises(InputError, match="of an earlier run"):
        compiled().fit(X, Y, 16, checkpoint_dir=tmp_path, verbose=0)


def test_the_middle_of_an_epoch_is_found_in_the_same_data_alone(tmp_path):
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    options = {"checkpoint_dir": tmp_path, "checkpoint_every": 1, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(X, Y, 16, callbacks=[Stop()], **options)
    other = compiled()
    other.build(X[:1])
    before = {path: np.array(value) for path, value in other.values().items()}
    with pytest.raises(InputError, match="over other data"):
        other.fit(X[:32], Y[:32], 16, resume=True, **options)
    same(other.values(), before)
    model, reference = compiled(), compiled()
    history = model.fit(X, Y, 16, resume=True, **options).history
    assert reference.fit(X, Y, 16, verbose=0).history == history
    same(model.values(), reference.values())


def test_what_a_killed_writer_left_is_removed(tmp_path):
    left = tmp_path / ".checkpoint-0123456789ab.tmp"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    compiled().fit(X, Y, 16, checkpoint_dir=tmp_path, verbose=0)
    assert os.listdir(tmp_path) == ["checkpoint-000001"]


def test_more_epochs_go_on_from_the_last_and_stopping_is_remembered(tmp_path):
    class Last(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    options = {"checkpoint_dir": tmp_path, "resume": True, "verbose": 0}
    model = compiled()
    assert model.fit(X, Y, 16, epochs=2, **options).epoch == [0, 1]
    assert model.fit(X, Y, 16, epochs=9, callbacks=[Last()], **options).epoch == [0, 1, 2]
    fresh, reference = compiled(), compiled()
    assert fresh.fit(X, Y, 16, epochs=9, **options).epoch == [0, 1, 2]
    reference.fit(X, Y, 16, epochs=3, verbose=0)
    same(fresh.values(), reference.values())


def test_weights_on_several_devices_and_of_other_dtypes_are_kept(tmp_path):
    model = Sequential([layers.Dense(4, dtype="bfloat16"), layers.Dense(3)])
    trainer = Trainer(model, optax.adam(1e-2), LOSS)
    trainer.step(BATCHES[0])
    trainer.save(tmp_path)
    trainer.step(BATCHES[1])
    twin = Sequential([layers.Dense(4, dtype="bfloat16"), layers.Dense(3)])
    Trainer.restore(tmp_path, twin, optax.adam(1e-2), LOSS).step(BATCHES[1])
    same(jax.device_get(twin.values()), jax.device_get(model.values()))


FULL = """
import json, os, resource, sys, time, warnings
import numpy as np
import lamina
from lamina import Sequential, layers
from lamina.training import Callback

x = np.ones((64, 4), "float32")
y = np.zeros((64, 1), "float32")
model = Sequential([layers.Dense(400), layers.Dense(1)])
model.compile("adam", "mse")

class Full(Callback):
    def on_epoch_end(self, epoch, logs=None):
        while not [name for name in os.listdir(directory) if name.startswith("checkpoint")]:
            if not epoch:
                return
            time.sleep(0.01)
        if epoch == 1 and room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

found = []
for directory, room in json.loads(sys.argv[1]):
    try:
        model.fit(x, y, 16, epochs=4, checkpoint_dir=directory, verbose=0, callbacks=[Full()])
        error = ""
    except OSError as raised:
        error = str(raised)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    there = sorted(os.listdir(directory))
    finite = bool(np.isfinite(model.predict(x)).all())
    found.append({"error": error, "there": there, "finite": finite})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of 60 kB, or None where none can be made."""
    path = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=60k", "none", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    yield path if mounted else None
    if mounted:
        subprocess.run(["umount", str(path)], check=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory, disk):
    """The folders of two runs of one process, and what came of them: one whose files may not
    grow, and one on the small disk."""
    folders = [(str(tmp_path_factory.mktemp("limited")), 4000)]
    folders += [] if disk is None else [(str(disk), 0)]
    command = [sys.executable, "-c", FULL, json.dumps(folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [*zip(folders, json.loads(done.stdout.splitlines()[-1]), strict=True)]


@pytest.mark.skipif(os.name != "posix", reason="limits are set as POSIX has them")
def test_a_file_that_may_not_grow_loses_nothing(filled):
    (directory, _), found = filled[0]
    assert (
        "The checkpoint cannot be written" in found["error"] and "Free disk space" in found["error"]
    )
    assert found["there"] and not [name for name in found["there"] if name.endswith(".tmp")]
    assert found["finite"]
    newest = store.newest(directory)
    assert newest is not None and newest.about["more"]["epoch"] in (1, 2)


@pytest.mark.skipif(os.name != "posix", reason="limits are set as POSIX has them")
def test_a_full_disk_loses_nothing(disk, filled):
    if disk is None:
        pytest.skip("no small disk can be made here")
    found = filled[1][1]
    assert "No space left on device" in found["error"] and found["finite"]
    newest = store.newest(disk)
    assert newest is not None and newest.about["more"]["epoch"] in (1, 2, 3)
    assert found["there"][-1] == newest.folder.name
