"""The exchange of weights and their moving averages during training."""

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.training import callbacks

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(16, 3)).astype("float32")
Y = RANDOM.normal(size=(16, 1)).astype("float32")


def compiled(seed=0):
    lamina.set_seed(seed)
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", learning_rate=0.2, use_ema=True, ema_momentum=0.5)
    return model


def kernels(model, *told, epochs=4, **options):
    """The kernel as a last callback sees it, at the begin and the end of epochs, and finally."""
    seen = []

    class Look(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(np.array(self.model.layers[0].kernel))

        on_epoch_end = on_epoch_begin

    callbacks_of_fit = [*told, Look()]
    options = {"epochs": epochs, "verbose": 0, "shuffle": False} | options
    history = model.fit(X, Y, 4, callbacks=callbacks_of_fit, **options)
    return seen, np.array(model.layers[0].kernel), history.history


def test_averages_are_in_the_model_between_epochs():
    plain, final, _ = kernels(compiled())
    swapped, same, _ = kernels(compiled(), callbacks.SwapEMAWeights(swap_on_epoch=True))
    for number in range(4):
        begin, end = 2 * number, 2 * number + 1
        np.testing.assert_array_equal(swapped[begin], plain[begin])
        assert not np.array_equal(swapped[end], plain[end])
    np.testing.assert_array_equal(swapped[-1], same)  # training ends with the averages
    np.testing.assert_array_equal(final, same)


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_validation_and_stopping_early_use_the_averages(swap_on_epoch):
    swap = callbacks.SwapEMAWeights(swap_on_epoch)
    stop = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    model = compiled()
    _, final, history = kernels(model, swap, stop, validation_data=(X, Y))
    reference = compiled()
    _, expected, _ = kernels(reference, epochs=2)
    np.testing.assert_array_equal(final, expected)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y), rel=1e-5)
    assert model.evaluate(X, Y, callbacks=swap) == pytest.approx(model.evaluate(X, Y))
    np.testing.assert_array_equal(model.predict(X, callbacks=swap), model.predict(X))


def test_a_run_that_is_interrupted_between_epochs_is_continued(tmp_path):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    expected = kernels(compiled())[1]
    swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        kernels(model, swap, callbacks.LambdaCallback(on_epoch_end=stop), checkpoint_dir=tmp_path)
    for again in (model, compiled()):
        found = kernels(again, swap, checkpoint_dir=tmp_path, resume=True)[1]
        np.testing.assert_array_equal(found, expected)


def test_weights_that_were_read_stay_valid():
    model, swap = compiled(), callbacks.SwapEMAWeights()
    kernels(model, swap, validation_data=(X, Y))
    before = model.values()
    copies = {path: np.array(value) for path, value in before.items()}
    model.evaluate(X, Y, callbacks=swap)
    kernels(model, swap, validation_data=(X, Y))
    for path, value in before.items():
        np.testing.assert_array_equal(value, copies[path])
