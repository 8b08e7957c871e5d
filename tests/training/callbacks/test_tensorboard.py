"""Event files of TensorBoard, where that is installed."""

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError
from lamina.training import callbacks

X, Y = np.ones((16, 3), "float32"), np.ones((16, 1), "float32")


def events(folder):
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = module.EventAccumulator(str(folder))
    found.Reload()
    return found


def test_logs_histograms_and_profiles_are_written(tmp_path):
    pytest.importorskip("tensorboard")
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    board = callbacks.TensorBoard(
        tmp_path,
        histogram_freq=2,
        write_graph=True,
        write_steps_per_second=True,
        update_freq=2,
        profile_batch=(2, 3),
    )
    told = [callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(note="a")), board]
    model.fit(X, Y, 4, epochs=3, verbose=0, callbacks=told, validation_data=(X, Y))
    train, validation = events(tmp_path / "train"), events(tmp_path / "validation")
    assert set(train.Tags()["scalars"]) == {
        *(f"batch_{name}" for name in ("loss", "mae", "steps_per_second")),
        *(f"epoch_{name}" for name in ("loss", "mae", "steps_per_second", "learning_rate")),
    }
    assert [one.step for one in train.Scalars("batch_loss")] == [2, 4, 6, 8, 10, 12]
    assert [one.step for one in train.Tensors("layers/0/kernel/histogram")] == [0, 2]
    steps = [one.step for one in validation.Scalars("evaluation_loss_vs_iterations")]
    assert steps == [4, 8, 12] and "epoch_mae" in validation.Tags()["scalars"]
    assert list((tmp_path / "train").glob("plugins/profile/*/*"))


@pytest.mark.parametrize("batches", [-1, (3, 2), (0, 2), "a", (1, 2, 3), None])
def test_batches_to_profile_are_checked(batches):
    with pytest.raises(InputError, match="profile_batch"):
        callbacks.TensorBoard(profile_batch=batches)


@pytest.mark.parametrize("freq", ["day", 0, -1, 1.5, True])
def test_the_frequency_is_checked(freq):
    with pytest.raises(InputError, match="update_freq"):
        callbacks.TensorBoard(update_freq=freq)
