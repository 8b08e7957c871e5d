"""Folders that training writes to: locked by one run at a time, and tried before the first step."""

import contextlib
import errno
import multiprocessing
import os
import threading

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer, layers
from lamina.errors import InputError
from lamina.training import Callback, callbacks
from lamina.training.checkpoints.folders import FolderLock, check_file, check_folder

X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
posix = pytest.mark.skipif(os.name != "posix", reason="needs what POSIX has")


def network():
    lamina.set_seed(0)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


# A process that has imported Lamina forks, where it can.
PROCESSES = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")


def hold(pipe, directory, forks):
    """What a process does: it holds the lock of a folder until it is killed."""
    lock = FolderLock(directory)
    if not forks or os.fork():
        pipe.send(os.getpid())
    with contextlib.suppress(EOFError):
        pipe.recv()  # a forked child lives on while the pipe is open
    del lock
    os._exit(0)


@pytest.mark.parametrize("forks", [False, pytest.param(True, marks=posix)], ids=["alone", "forks"])
def test_a_process_keeps_others_out_until_it_is_dead(tmp_path, forks):
    PROCESSES.set_forkserver_preload(["lamina", "optax", __name__])
    here, there = PROCESSES.Pipe()
    other = PROCESSES.Process(target=hold, args=(there, tmp_path, forks), daemon=True)
    other.start()
    there.close()
    try:
        assert here.poll(240)
        pid = here.recv()
        assert pid == other.pid
        for write in (
            lambda: FolderLock(tmp_path),
            lambda: network().fit(X, Y, checkpoint_dir=tmp_path, verbose=0),
            lambda: network().fit(
                X, Y, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)]
            ),
        ):
            with pytest.raises(InputError, match=f"lock held by process {pid} on "):
                write()
        other.kill()
        other.join()
        network().fit(X, Y, checkpoint_dir=tmp_path, verbose=0)  # the forked child is still there
        assert os.listdir(tmp_path) == ["checkpoint-000001"]
    finally:
        other.kill()
        here.close()
        other.join()


def test_two_runs_of_one_process_do_not_share_a_folder(tmp_path):
    met = threading.Barrier(2, timeout=60)

    class Meet(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            met.wait()  # while the folder is locked
            met.wait()

    model = network()
    options = {"checkpoint_dir": tmp_path, "verbose": 0}
    thread = threading.Thread(target=lambda: model.fit(X, Y, callbacks=[Meet()], **options))
    thread.start()
    met.wait()
    try:
        with pytest.raises(InputError, match=rf"another run of this process, {os.getpid()} on"):
            network().fit(X, Y, **options)
        trainer = Trainer(network(), "sgd", "mse")
        trainer.step((X, Y))
        with pytest.raises(InputError, match="in use by another run"):
            trainer.save(tmp_path)
    finally:
        met.wait()
        thread.join()
    assert os.listdir(tmp_path) == ["checkpoint-000001"]


def test_a_lock_that_was_given_up_or_left_behind_is_free(tmp_path):
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()} ")
    assert os.listdir(tmp_path) == []
    (tmp_path / ".lock").write_text("1 elsewhere\n")  # of a process that was killed
    with FolderLock(tmp_path), pytest.raises(InputError, match="another run of this process"):
        FolderLock(tmp_path)
    lost = FolderLock(tmp_path)
    (tmp_path / ".lock").unlink()
    with FolderLock(tmp_path):
        lost.close()
        assert os.listdir(tmp_path) == [".lock"]
    assert os.listdir(tmp_path) == []


@posix
def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("lamina.training.checkpoints.folders._lock_file", refuse)
    with pytest.warns(UserWarning, match="cannot be locked: "):
        FolderLock(tmp_path).close()


def bad_folders(tmp_path):
    """Paths where no folder can be written to, whoever asks."""
    file = tmp_path / "file"
    file.write_text("text")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    return {
        "a file": file,
        "below a file": file / "deeper" / "run",
        "a link to nothing": dangling,
        "a link to itself": loop,
        "what may not be written": "/proc/self/run",
        "a device": "/dev/null",
    }


KINDS = ["a file", "below a file", "a link to nothing", "a link to itself",
         "what may not be written", "a device"]  # fmt: skip


@posix
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("writes", ["fit", "backup", "checkpoint", "epochs", "board", "save"])
def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_step(
    tmp_path, monkeypatch, kind, writes
):
    bad = bad_folders(tmp_path)[kind]
    if kind == "what may not be written" and not os.path.isdir("/proc/self"):
        pytest.skip("there is no /proc")
    made = []
    monkeypatch.setattr("lamina.training.callbacks.tensorboard._tensorboard", lambda: ())

    class Steps(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            made.append(batch)

    options = {"epochs": 2, "verbose": 0}
    told = {
        "backup": lambda: callbacks.BackupAndRestore(bad),
        "checkpoint": lambda: callbacks.ModelCheckpoint(os.path.join(bad, "best.lamina")),
        "epochs": lambda: callbacks.ModelCheckpoint(os.path.join(bad, "{epoch}", "m.lamina")),
        "board": lambda: callbacks.TensorBoard(bad),
    }
    model = network()
    if writes == "save":
        trainer = Trainer(model, "sgd", "mse")
        trainer.step((X, Y))
        with pytest.raises(OSError, match="cannot be created or written to"):
            trainer.save(bad)
        return
    more = [told[writes]()] if writes in told else []
    if writes == "fit":
        options["checkpoint_dir"] = bad
    with pytest.raises(OSError, match="cannot be created or written to"):
        model.fit(X, Y, callbacks=[Steps(), *more], **options)
    assert made == [] and not model.built


@posix
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link"])
def test_what_stands_in_place_of_the_lock_is_left_alone(tmp_path, kind):
    path, other = tmp_path / ".lock", tmp_path / "other"
    other.write_text("text")
    make = {
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "a link": lambda: path.symlink_to(other),
    }
    make[kind]()
    with pytest.raises(OSError, match="cannot be created or written to"):
        FolderLock(tmp_path)
    assert path.exists() and other.read_text() == "text"


def test_files_are_tried_where_they_will_be_written(tmp_path):
    check_file(tmp_path / "new" / "model.lamina")
    check_folder(tmp_path / "logs")
    assert sorted(os.listdir(tmp_path)) == ["logs", "new"] and not os.listdir(tmp_path / "new")
    (tmp_path / "file").write_text("text")
    check_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "text"
    with pytest.raises(IsADirectoryError, match="cannot be written: Is a directory"):
        check_file(tmp_path / "new")
    with pytest.raises(OSError, match="cannot be written: Is a directory"):
        network().fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "new")])
    with pytest.raises(IsADirectoryError):
        network().fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger(tmp_path / "new")])
