"""Optimizers, schedules and metrics under `tf.keras`, against Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina.compat import tf
from lamina.compat.tf.keras import layers
from lamina.compat.tf.keras.layers import Dense
from lamina.errors import InputError, TraceError
from tests.close import assert_close

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "clipvalue": 0.5}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "clipnorm": 0.5}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Adamax", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05, "momentum": 0.5, "centered": True, "rho": 0.8}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 0.5, "global_clipnorm": 0.3}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_an_optimizer_takes_the_steps_that_keras_takes(name, options):
    random = np.random.default_rng(0)
    weights = {"a": jnp.ones((3, 2)), "b": jnp.ones((3, 2))}
    theirs = {path: keras.Variable(np.asarray(value)) for path, value in weights.items()}
    optimizer = getattr(tf.keras.optimizers, name)(**options)
    reference = getattr(keras.optimizers, name)(**options)
    state = optimizer.init(weights)
    for _ in range(5):
        slopes = {p: random.normal(size=w.shape).astype("float32") for p, w in weights.items()}
        updates, state = optimizer.update(slopes, state, weights)
        weights = optax.apply_updates(weights, updates)
        reference.apply([jnp.asarray(slopes[path]) for path in theirs], list(theirs.values()))
    for path, value in weights.items():
        np.testing.assert_allclose(value, theirs[path].value, rtol=1e-4, atol=1e-5)


SCHEDULES = [
    ("ExponentialDecay", (0.1, 10, 0.5), {}),
    ("ExponentialDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {}),
    ("PolynomialDecay", (0.1, 10), {"power": 2.0, "name": "mine"}),
    ("PolynomialDecay", (0.1, 7), {"power": 0.5, "cycle": True}),
    ("CosineDecay", (0.1, 10), {"alpha": 0.1}),
    ("CosineDecay", (0.0, 10), {"warmup_target": 0.1, "warmup_steps": 5}),
    ("CosineDecay", (0.1, 10, 0.1, "mine", 0.5, 3), {}),
    ("CosineDecayRestarts", (0.1, 5), {}),
    ("CosineDecayRestarts", (0.1, 5), {"t_mul": 1.0, "m_mul": 0.7, "alpha": 0.2}),
    ("CosineDecayRestarts", (0.1, 5), {"t_mul": 1.5, "m_mul": 0.7, "alpha": 0.1}),
    ("PiecewiseConstantDecay", ([3, 7], [0.1, 0.01, 0.001]), {}),
]


@pytest.mark.parametrize(("name", "given", "options"), SCHEDULES)
def test_a_schedule_gives_the_rates_that_keras_gives(name, given, options):
    ours = getattr(tf.keras.optimizers.schedules, name)(*given, **options)
    theirs = getattr(keras.optimizers.schedules, name)(*given, **options)
    compiled = jax.jit(lambda step: ours(step))
    # Compiled, 7 / 7 may exceed 1 by rounding, and Keras begins another cycle.
    reference = theirs if "cycle" in options else jax.jit(lambda step: theirs(step))
    for step in range(40):
        expected = reference(step)
        for found in (ours(step), ours(jnp.asarray(step)), compiled(jnp.asarray(step))):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("name", "given", "options"), SCHEDULES)
def test_the_config_of_a_schedule_is_that_of_keras(name, given, options):
    ours = getattr(tf.keras.optimizers.schedules, name)(*given, **options)
    theirs = getattr(keras.optimizers.schedules, name)(*given, **options)
    assert ours.get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()) == ours
    assert lamina.deserialize(lamina.serialize(ours)) == ours


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("CosineDecay", (0.1, 0)),
        ("CosineDecayRestarts", (0.1, -1)),
        ("ExponentialDecay", (0.1, 0, 0.5)),
        ("InverseTimeDecay", (0.1, 0, 0.5)),
        ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2])),
        ("PolynomialDecay", (0.1, 0)),
    ],
)
def test_numbers_of_steps_that_keras_refuses_are_errors(name, given):
    with pytest.raises(InputError, match=name):
        getattr(tf.keras.optimizers.schedules, name)(*given)


def test_a_schedule_of_ones_own_drives_an_optimizer():
    class Warmup(tf.keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            step = tf.cast(step, tf.float32)
            return tf.math.rsqrt(4.0) * tf.math.minimum(tf.math.rsqrt(step), step * 0.5)

    optimizer = tf.keras.optimizers.SGD(Warmup())
    state = optimizer.init(jnp.ones(()))
    steps = []
    for _ in range(3):
        update, state = optimizer.update(jnp.ones(()), state)
        steps.append(float(update))
    assert_close(steps, [0, -0.25, -0.5 * 2**-0.5], rtol=1e-6)


def test_what_an_optimizer_does_not_take_is_an_error():
    with pytest.raises(TypeError, match="momentum"):
        tf.keras.optimizers.Adam(momentum=0.9)


def test_a_metric_keeps_a_running_state():
    mean = tf.keras.metrics.Mean(name="train_loss")
    assert mean.result() == 0
    assert mean(2.0) == 2
    mean.update_state([4.0, 6.0], sample_weight=[1.0, 0.0])
    assert mean.result() == 3 and mean.name == "train_loss"
    mean.reset_states()
    assert mean.result() == 0


def test_a_metric_serves_compile_and_knows_when_it_would_leak():
    accuracy = tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    assert isinstance(accuracy, lamina.metrics.SparseCategoricalAccuracy)
    assert accuracy([1, 0], [[0.1, 0.9], [0.1, 0.9]]) == 0.5
    model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
    model.compile(
        optimizer=tf.keras.optimizers.Adam(learning_rate=0.1),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    history = model.fit(x, (x[:, 0] > 0).astype("int32"), epochs=20, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    with pytest.raises(TraceError, match="cannot change its state"):
        jax.jit(lambda x: tf.keras.metrics.Mean().update_state(x))(1.0)


def test_namespaces_are_modules_too():
    assert layers.Dense is Dense is tf.keras.layers.Dense is lamina.layers.Dense
    assert tf.keras.models.Sequential is tf.keras.Sequential
    assert tf.losses is tf.keras.losses


def test_a_function_of_tf_as_an_activation_has_a_name():
    dense = Dense(2, activation=tf.nn.relu)
    assert repr(dense.activation).startswith("<function relu")
    assert (np.asarray(dense(-tf.ones((1, 3)))) >= 0).all()
    assert tf.nn.swish is tf.nn.silu and tf.tanh is tf.math.tanh is tf.nn.tanh


X = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def test_a_graph_of_layers_as_tutorials_write_it():
    inputs = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(8, activation="relu", name="hidden")(inputs)
    model = tf.keras.Model(inputs=inputs, outputs=tf.keras.layers.Dense(1)(hidden))
    assert isinstance(model, tf.keras.Model) and model.built
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss=["mse"], metrics=[["mae"]])
    history = model.fit(X, Y, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] and "mae" in history
    assert tf.keras.Model(model.input, hidden)(X).shape == (64, 8)


@pytest.mark.parametrize(
    "first",
    [
        lambda: tf.keras.layers.Dense(3, activation="relu", input_shape=(4,)),
        lambda: tf.keras.layers.Dense(3, input_dim=4),
        lambda: tf.keras.layers.InputLayer(input_shape=(4,)),
        lambda: tf.keras.layers.Input((4,)),
    ],
    ids=["input_shape", "input_dim", "InputLayer", "Input"],
)
def test_a_row_that_says_what_it_begins_with_is_built(first):
    model = tf.keras.Sequential([first(), tf.keras.layers.Dense(1)])
    assert model.built and model(X).shape == (64, 1)


def test_callbacks_change_the_rate_of_an_optimizer():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(optimizer=tf.keras.optimizers.SGD(0.1, clipnorm=1.0), loss="mse")
    told = [
        tf.keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
        tf.keras.callbacks.EarlyStopping(monitor="loss", patience=9, restore_best_weights=True),
    ]
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=told).history
    assert_close(history["learning_rate"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)
    model.optimizer.learning_rate = 0.5
    assert model.optimizer.learning_rate == 0.5


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 5])
def test_sentences_are_padded_as_keras_pads_them(maxlen, padding, truncating):
    rows = [[1], [2, 3, 4], [], [5, 6]]
    ours = tf.keras.preprocessing.sequence.pad_sequences(rows, maxlen, "int64", padding, truncating)
    theirs = keras.utils.pad_sequences(rows, maxlen, "int64", padding, truncating)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_rows_of_vectors_are_padded_with_a_value():
    rows = [np.ones((2, 3)), np.ones((1, 3))]
    ours = tf.keras.utils.pad_sequences(rows, dtype="float32", value=-1.0)
    theirs = keras.utils.pad_sequences(rows, dtype="float32", value=-1.0)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("labels", [[0, 2, 1], [[0], [2]], [[1, 0], [2, 2]], []])
def test_labels_become_rows_as_in_keras(labels):
    ours, theirs = tf.keras.utils.to_categorical(labels, 3), keras.utils.to_categorical(labels, 3)
    np.testing.assert_array_equal(ours, theirs)


def test_what_cannot_be_padded_or_encoded_is_told():
    with pytest.raises(InputError, match="invalid padding"):
        tf.keras.utils.pad_sequences([[1]], padding="left")
    for labels in ([0, 3], [-1]):
        with pytest.raises(InputError, match="label out of range"):
            tf.keras.utils.to_categorical(labels, 3)


def test_a_seed_fixes_what_is_drawn():
    drawn = []
    for _ in range(2):
        tf.keras.utils.set_random_seed(5)
        layer = tf.keras.layers.Dense(2)
        layer.build((None, 3))
        drawn.append((layer.get_weights()[0].tolist(), np.random.rand()))
    assert drawn[0] == drawn[1]


def test_older_code_says_how_long_sentences_are():
    for kit in (tf.keras.layers, lamina.layers):
        with pytest.warns(UserWarning, match="input_length has no effect"):
            layer = kit.Embedding(9, 4, input_length=5)
        assert layer(np.zeros((2, 3), "int32")).shape == (2, 3, 4)
        config = layer.get_config()
        assert "input_length" not in config
        assert kit.Embedding.from_config(config | {"input_length": None}).output_dim == 4


class Pairs(tf.keras.utils.Sequence):
    """Batches by index, without an end."""

    def __init__(self, count):
        super().__init__()
        self.count, self.passes = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.ones((4, 2), "float32"), np.ones((4, 1), "float32")

    def on_epoch_end(self):
        self.passes += 1


def test_a_sequence_of_batches_ends_where_its_length_says():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Pairs(3)
    model.fit(data, epochs=2, validation_data=Pairs(2), verbose=0)
    assert data.passes == 2 and data.num_batches == 3
    assert model.predict(data, verbose=0).shape == (12, 1)
    with pytest.raises(NotImplementedError, match="__getitem__"):
        tf.keras.utils.PyDataset(workers=2)[0]


def test_models_are_loaded_and_saved_with_the_arguments_of_keras(tmp_path):
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    file = tmp_path / "model.safetensors"
    tf.keras.models.save_model(model, file, overwrite=True)
    load = tf.keras.models.load_model
    assert load(filepath=file, safe_mode=True).optimizer is not None
    x = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(load(file, None, False)(x), model(x))
    model.save_weights(filepath=tmp_path / "weights.safetensors")
    model.load_weights(filepath=tmp_path / "weights.safetensors")


def test_a_metric_gives_results_of_its_dtype():
    mean = tf.keras.metrics.Mean("loss", dtype=tf.float16)
    assert mean([1.0, 4.0]).dtype == "float16" and mean.result() == 2.5
    assert tf.keras.metrics.CategoricalAccuracy(dtype=tf.float32).result().dtype == "float32"


@pytest.mark.parametrize("suffix", [".lamina", ".keras"])
def test_metrics_with_a_state_are_stored_with_the_model(suffix, tmp_path):
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    model = lamina.Sequential([Dense(1)])
    kinds = (tf.keras.metrics.MeanSquaredError, tf.keras.metrics.AUC, tf.keras.metrics.BinaryIoU)
    model.compile("sgd", "mse", metrics=[kind() for kind in kinds])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / f"model{suffix}")
    loaded = lamina.load(tmp_path / f"model{suffix}")
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == expected
