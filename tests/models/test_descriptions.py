"""What a model says about itself, as in Keras."""

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import InputError

X = np.ones((4, 3), "float32")


def graph():
    a, b = lamina.Input((3,), name="a"), lamina.Input((2,), name="b")
    hidden = layers.Dense(4, name="hidden", trainable=False)(a)
    return lamina.Model([a, b], [layers.Concatenate(name="both")([hidden, b]), hidden])


def test_shapes_names_and_layers_of_a_graph():
    model = graph()
    assert model.input_shape == [(None, 3), (None, 2)]
    assert model.output_shape == [(None, 6), (None, 4)]
    assert model.output_names == ["both", "hidden"]
    assert [layer.name for layer in model.layers] == ["a", "hidden", "b", "both"]
    assert model.layers[0] is model.layers[0] is model.get_layer(index=0)
    assert model.layers[0].batch_shape == (None, 3)
    assert model.get_layer(index=1) is model.hidden
    assert list(model.values()) == ["hidden.kernel", "hidden.bias"]


def test_a_sequential_that_begins_with_a_model_is_built_when_it_is_made():
    inner = lamina.Sequential([lamina.Input((3,)), layers.Dense(4)])
    kernel = inner.layers[0].kernel.numpy()
    for first in (inner, lamina.Sequential([inner, layers.Dense(2)])):
        model = lamina.Sequential([first, layers.Dense(1)])
        assert model.built
        assert (model.input_shape, model.output_shape) == ((None, 3), (None, 1))
    x = lamina.Input((3,))
    assert lamina.Sequential([lamina.Model(x, inner(x)), layers.Dense(1)]).built
    assert (inner.layers[0].kernel.numpy() == kernel).all()


def test_metrics_are_listed():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(1)])
    assert model.metrics == model.metrics_names == []
    model.compile("sgd", "mse", ["mae"])
    assert model.metrics_names == ["loss", "compile_metrics"]
    assert [one.name for one in model.metrics[1].metrics] == ["mae"]


def test_losses_are_those_of_the_last_call_and_the_penalties():
    class Sparse(lamina.Layer):
        def call(self, inputs):
            self.add_loss(inputs.mean())
            return inputs

    dense = layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")
    model = lamina.Sequential([Sparse(), Sparse(), dense])
    model(X)
    model(2 * X)
    assert [float(loss) for loss in model.losses] == pytest.approx([2.0, 2.0, 0.03])
    assert [float(loss) for loss in model.layers[0].losses] == [2.0]
    assert [float(loss) for loss in dense.losses] == pytest.approx([0.03])


def test_names_of_variables_and_policies():
    dense = layers.Dense(1, dtype="mixed_bfloat16")
    dense.build((None, 3))
    assert [variable.name for variable in dense.variables] == ["kernel", "bias"]
    policy = dense.dtype_policy
    assert policy == ("mixed_bfloat16", "bfloat16", "float32")
    assert policy.name == "mixed_bfloat16"


def test_options_of_summary(capsys):
    model = lamina.Sequential(
        [lamina.Input((3,)), lamina.Sequential([layers.Dense(2)]), layers.Dense(1, name="last")]
    )
    texts = []
    model.summary(print_fn=texts.append, expand_nested=False, show_trainable=True)
    assert "trainable" in texts[0] and "yes" in texts[0] and "layers.0.layers" not in texts[0]
    model.summary(print_fn=texts.append, layer_range=["last", "last"], line_length=70)
    assert "layers.1" in texts[1] and "layers.0" not in texts[1]
    assert max(map(len, texts[1].splitlines())) <= 70
    assert not capsys.readouterr().out
    with pytest.raises(InputError, match="layer_range"):
        model.summary(layer_range=["first", "last"])


def test_files_are_not_overwritten_if_so_asked(tmp_path):
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(1)])
    for write in (model.save, model.save_weights):
        path = tmp_path / f"{write.__name__}.safetensors"
        write(path, overwrite=False)
        write(path)
        with pytest.raises(FileExistsError, match="overwrite=False"):
            write(path, overwrite=False)


def test_class_weights_of_a_batch():
    model = lamina.Sequential([layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    y = np.array([[0], [1], [1], [0]], "float32")
    assert model.train_on_batch(X, y, class_weight={0: 1.0, 1: 3.0}) == pytest.approx(1.5)


def test_the_history_of_the_last_fit():
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.history is None
    labels = np.ones((4, 1), "float32")
    for epochs in (1, 3):
        history = model.fit(X, labels, epochs=epochs, verbose=0)
        assert model.history is history and len(model.history.history["loss"]) == epochs
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, labels, epochs=9, verbose=0, callbacks=Enough())
    assert model.history.epoch == [0, 1]


class Enough(lamina.training.Callback):
    """Ends training by an error."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise RuntimeError("enough")


def test_fit_takes_its_arguments_in_the_order_of_keras():
    model = lamina.Sequential([layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    labels, passed = np.ones((4, 1), "float32"), (X, np.zeros((4, 1), "float32"))
    arguments = (X, labels, 2, 3, 0, None, 0.0, passed, False, {1: 2.0}, None, 1, 1)
    history = model.fit(*arguments)
    assert history.epoch == [1, 2] and set(history.history) == {"loss", "val_loss"}
    assert history.params["steps"] == 1 and history.history["loss"][0] == 2.0


def test_metrics_that_layers_hold_are_listed_last() -> None:
    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seen = lamina.metrics.Mean(name="seen")

        def call(self, inputs):
            return inputs

    inputs = lamina.Input((3,))
    models = [
        lamina.Sequential([Counting(), layers.Dense(1)]),
        lamina.Model(inputs, layers.Dense(1)(Counting()(inputs))),
        lamina.Sequential([lamina.Sequential([Counting()]), layers.Dense(1)]),
    ]
    for model in models:
        assert model.metrics_names == ["seen"]
        model.compile("sgd", "mse", metrics=["mae"])
        assert model.metrics_names == ["loss", "compile_metrics", "seen"]
        history = model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0).history
        assert list(history) == ["loss", "mae", "seen"]
