"""Checkpoints that were changed: each gives way to the one before it, and nothing else happens."""

import json
import os
import shutil
import warnings
from hashlib import sha256

import numpy as np
import pytest
from safetensors.numpy import save_file

import lamina
from lamina import Sequential, Trainer, layers
from lamina.errors import FileFormatError
from lamina.training import Callback, callbacks

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(32, 4)).astype("float32"), RANDOM.integers(0, 3, 32)
LOSS = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
NAMES = ["weights.safetensors", "training.safetensors", "checkpoint.json"]


def compiled(seed=3):
    lamina.set_seed(seed)
    model = Sequential([layers.Dense(3)])
    model.compile("adam", LOSS)
    return model


def told():
    return [
        callbacks.EarlyStopping("loss", restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss"),
        callbacks.LearningRateScheduler(lambda epoch: 0.01),
    ]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Checkpoints of two epochs."""
    directory = tmp_path_factory.mktemp("two")
    compiled().fit(X, Y, 16, epochs=2, checkpoint_dir=directory, callbacks=told(), verbose=0)
    return directory


@pytest.fixture
def run(tmp_path, two):
    """The same, to be changed."""
    directory = tmp_path / "run"
    shutil.copytree(two, directory)
    return directory


def gives_way(run, damages):
    """Training goes on from the first checkpoint; without that, nothing is changed.

    Args:
        run: the folder of two checkpoints.
        damages: functions that damage a checkpoint, by names that say how; each is given a copy
            of the second one.

    Returns the model that could not be resumed.
    """
    second = run / "checkpoint-000002"
    shutil.move(second, run.parent / "second")
    damaged = {}
    for number, (name, damage) in enumerate(damages.items(), 2):
        damaged[run / f"checkpoint-{number:06}"] = name
        shutil.copytree(run.parent / "second", run / f"checkpoint-{number:06}")
        damage(run / f"checkpoint-{number:06}")
    options = {"epochs": 3, "checkpoint_dir": run, "resume": True, "verbose": 0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = compiled().fit(X, Y, 16, keep=1000, callbacks=told(), **options)
    for folder, name in reversed(damaged.items()):  # the newest is read first
        told_of = [f"{folder} is damaged" in str(warning.message) for warning in caught]
        assert sum(told_of) == 1, name
    assert history.epoch == [0, 1, 2]
    last = len(damages) + 3
    assert sorted(os.listdir(run))[-1] == f"checkpoint-{last:06}"
    for number in (1, last - 1, last):
        shutil.rmtree(run / f"checkpoint-{number:06}")
    model = compiled(seed=4)
    model.build(X[:1])
    before = {path: np.array(value) for path, value in model.values().items()}
    with warnings.catch_warnings(), pytest.raises(FileFormatError, match="No checkpoint in"):
        warnings.simplefilter("ignore")
        model.fit(X, Y, 16, callbacks=told(), **options)
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, before[path])
    return model


def test_a_checkpoint_that_is_not_damaged_does_not_give_way(run):
    shutil.copytree(run / "checkpoint-000002", run / "checkpoint-000060")
    changed(run / "checkpoint-000060", lambda index: None)
    options = {"checkpoint_dir": run, "resume": True, "callbacks": told(), "verbose": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled().fit(X, Y, 16, epochs=2, **options).epoch == [0, 1]
    assert not (run / "checkpoint-000061").exists()


def changed(folder, change):
    """Change an index, and seal it again."""
    path = folder / "checkpoint.json"
    index = json.loads(path.read_text())["index"]
    found = change(index)
    index = index if found is None else found
    digest = sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "index": index}))


def at(*path, value):
    """A change of one entry."""

    def change(index):
        for name in path[:-1]:
            index = index[name]
        index[path[-1]] = value

    return change


def without(*path):
    def change(index):
        for name in path[:-1]:
            index = index[name]
        del index[path[-1]]

    return change


def seal_of(path):
    return {"bytes": os.path.getsize(path), "sha256": sha256(open(path, "rb").read()).hexdigest()}


RUN = ("about", "more")
CALLBACKS = (*RUN, "callbacks")
CHANGES = {
    "a list": lambda index: [index],
    "a number": lambda index: 3,
    "no version": without("version"),
    "another version": at("version", value=2),
    "a version of another kind": at("version", value=[1]),
    "no files": at("files", value={}),
    "files as a list": at("files", value=NAMES),
    "one file": without("files", "weights.safetensors"),
    "a file above": at("files", "../../x", value={}),
    "a file by its absolute path": at("files", "/etc/hostname", value=seal_of(__file__)),
    "a seal of another kind": at("files", "weights.safetensors", value="seal"),
    "a seal without a size": without("files", "weights.safetensors", "bytes"),
    "another size": at("files", "weights.safetensors", "bytes", value=10**30),
    "no dtypes": without("dtypes"),
    "dtypes as a list": at("dtypes", value=["float32"]),
    "a dtype as a number": at("dtypes", "steps", value=3),
    "an odd dtype": at("dtypes", "steps", value="finfo"),
    "a dtype of records": at("dtypes", "steps", value="i4,f8"),
    "a dtype of objects": at("dtypes", "steps", value="O"),
    "about as a list": at("about", value=[]),
    "about as nothing": at("about", value=None),
    "no seed": without("about", "seed"),
    "a seed as text": at("about", "seed", value="3"),
    "a seed of many digits": at("about", "seed", value=10**4000),
    "no epochs": without("about", "epochs"),
    "epochs below 0": at("about", "epochs", value=-1),
    "epochs as a truth value": at("about", "epochs", value=True),
    "no more": without(*RUN),
    "more as text": at(*RUN, value="fit"),
    "no epoch": without(*RUN, "epoch"),
    "an epoch as a float": at(*RUN, "epoch", value=1.0),
    "a step below 0": at(*RUN, "step", value=-3),
    "no place": without(*RUN, "position"),
    "a place as a list": at(*RUN, "position", value=[]),
    "a place of another kind": at(*RUN, "position", value={"steps": 3, "batches": "2"}),
    "no callbacks": without(*CALLBACKS),
    "callbacks as a dict": at(*CALLBACKS, value={}),
    "callbacks without names": at(*CALLBACKS, value=[{}]),
    "callbacks as numbers": at(*CALLBACKS, 0, value=3),
    "a state as a list": at(*CALLBACKS, 0, 1, value=[]),
    "a state without a number": without(*CALLBACKS, 0, 1, "wait"),
    "a state with text for a number": at(*CALLBACKS, 0, 1, "wait", value="1"),
    "best weights that are none": at(*CALLBACKS, 0, 1, "best_weights", value=3),
    "an array that is not there": at(*CALLBACKS, 0, 1, "best", value={"array": "about/x"}),
    "an array of the optimizer": at(*RUN, "step", value={"array": "steps"}),
    "an array that is gone": at(*CALLBACKS, 0, 1, "best_weights", value=None),
    "a rate's state as text": at(*CALLBACKS, 1, 1, "cooldown_counter", value=""),
    "a scheduler's epoch as a list": at(*CALLBACKS, 2, 1, "epoch", value=[]),
    "a history as a list": at(*CALLBACKS, 3, 1, "history", value=[]),
    "a history of numbers": at(*CALLBACKS, 3, 1, "history", "loss", value=1.0),
    "stopped as text": at(*RUN, "stopped", value="no"),
}


def test_a_changed_index_gives_way_whatever_is_wrong_in_it(run):
    damages = {
        name: lambda folder, change=change: changed(folder, change)
        for name, change in CHANGES.items()
    }
    gives_way(run, damages)


TEXTS = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe{}",
    "null": b"null",
    "a list": b"[1, 2]",
    "no digest": b'{"index": {}}',
    "no index": b'{"sha256": "0"}',
    "a digest as a list": b'{"sha256": [], "index": {}}',
    "deep nesting": b"[" * 200_000,
    "deep nesting inside": b'{"sha256": "0", "index": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
    "many digits": b'{"sha256": "0", "index": ' + b"9" * 10_000 + b"}",
}


def test_an_index_that_is_none_gives_way(run):
    def written(text):
        return lambda folder: (folder / "checkpoint.json").write_bytes(text)

    gives_way(run, {name: written(text) for name, text in TEXTS.items()}).fit(X, Y, 16, verbose=0)


def resealed(folder, name):
    seal = seal_of(folder / name)
    changed(folder, at("files", name, value=seal))


def test_a_file_of_something_else_gives_way_though_it_is_sealed(run):
    def other(name):
        def damage(folder):
            (folder / name).write_bytes(b"something else")
            resealed(folder, name)

        return damage

    gives_way(run, {name: other(name) for name in NAMES[:2]})


STEPS = {
    "none": {},
    "two": {"steps": np.ones(2, np.int32)},
    "a float": {"steps": np.float32(1)},
    "below 0": {"steps": np.int32(-1)},
}


def test_steps_that_are_no_number_of_steps_give_way(run):
    def steps(arrays):
        def damage(folder):
            index = json.loads((folder / NAMES[2]).read_text())["index"]
            index["about"]["more"]["callbacks"] = []
            arrays_of = {name: np.asarray(array) for name, array in arrays.items()}
            save_file(arrays_of, folder / NAMES[1])
            changed(folder, lambda _: index)
            resealed(folder, NAMES[1])

        return damage

    gives_way(run, {name: steps(arrays) for name, arrays in STEPS.items()})


def pipe(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path)


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs what POSIX has")
def test_what_is_no_regular_file_gives_way(run):
    def replaced(name, make):
        def damage(folder):
            (folder / name).unlink()
            make(folder / name)

        return damage

    kinds = (os.mkdir, pipe, loop, device)
    gives_way(run, {f"{make} {name}": replaced(name, make) for name in NAMES for make in kinds})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs what POSIX has")
def test_what_is_no_folder_is_no_checkpoint(run):
    for number, make in enumerate((lambda path: path.write_text("text"), pipe, loop, device), 6):
        make(run / f"checkpoint-{number:06}")
    options = {"checkpoint_dir": run, "resume": True, "verbose": 0, "callbacks": told()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = compiled().fit(X, Y, 16, epochs=3, **options)
    assert history.epoch == [0, 1, 2]
    assert (run / "checkpoint-000010").is_dir()


def test_links_are_followed_and_only_they_are_removed(run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(run / "checkpoint-000001", elsewhere)
    (run / "checkpoint-000001").symlink_to(elsewhere)
    path = run / "checkpoint-000002" / NAMES[0]
    shutil.move(path, tmp_path / "weights")
    path.symlink_to(tmp_path / "weights")
    options = {"checkpoint_dir": run, "resume": True, "verbose": 0, "callbacks": told()}
    assert compiled().fit(X, Y, 16, epochs=4, keep=1, **options).epoch == [0, 1, 2, 3]
    assert os.listdir(run) == ["checkpoint-000004"]
    assert sorted(os.listdir(elsewhere)) == sorted(NAMES) and (tmp_path / "weights").is_file()


def test_a_state_sets_nothing_but_what_it_holds(run, tmp_path):
    class Same(Callback):  # by its name one of Lamina's
        def set_state(self, state):
            self.state = state

    best = callbacks.ModelCheckpoint(tmp_path / "best.lamina", "loss")
    best.set_state({"best": 1.0, "_seen": 2, "filepath": "elsewhere", "model": 3})
    assert (best.best, best._seen, best.model) == (1.0, 2, None)
    assert best.filepath == str(tmp_path / "best.lamina")
    for one in told()[:2]:
        one.set_state(one.get_state() | {"monitor": "elsewhere"})
        assert one.monitor == "loss"
    Same.__name__ = "EarlyStopping"
    same = Same()
    compiled().fit(X, Y, 16, epochs=3, checkpoint_dir=run, resume=True, verbose=0, callbacks=[same])
    assert set(same.state) == {"best", "wait", "stopped_epoch", "best_epoch", "best_weights"}


def test_a_state_may_hold_an_entry_named_as_arrays_are(tmp_path):
    class Own(Callback):
        state = None

        def get_state(self):
            return {"array": 3, "more": [{"array": "x"}, np.arange(3)]}

        def set_state(self, state):
            self.state = state

    options = {"checkpoint_dir": tmp_path, "resume": True, "verbose": 0}
    compiled().fit(X, Y, 16, callbacks=[Own()], **options)
    own = Own()
    compiled().fit(X, Y, 16, epochs=2, callbacks=[own], **options)
    assert own.state["array"] == 3 and own.state["more"][0] == {"array": "x"}
    np.testing.assert_array_equal(own.state["more"][1], np.arange(3))


def test_a_trainer_is_not_changed_by_a_checkpoint_of_another_model(run):
    lamina.set_seed(5)
    model = Sequential([layers.Dense(4)])
    trainer = Trainer(model, "adam", LOSS)
    trainer.step((X, Y))
    before = {path: np.array(value) for path, value in model.values().items()}
    with pytest.raises(FileFormatError, match="kernel"):
        trainer.resume(run)
    assert trainer.wait() == 1
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, before[path])
    trainer.step((X, Y))
    assert trainer.wait() == 2
