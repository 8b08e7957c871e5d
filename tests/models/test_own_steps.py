"""Models whose classes define parts of a training step: as programs for Keras on JAX write them.

Each program is written once, for both libraries, and trained for five steps from the same weights.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina.compat import tf
from lamina.errors import InputError
from lamina.training import NotFiniteError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
NOISE = RNG.normal(size=(40, 2)).astype("float32")
Y = (X[:, :3].sum(1, keepdims=True) > 0).astype("float32")


class Ours:
    Model, layers, metrics, Sequential = lamina.Model, lamina.layers, lamina.metrics, None
    Input, optimizers, losses = lamina.Input, tf.keras.optimizers, lamina.losses
    Sequential = lamina.Sequential


def same_weights(ours, theirs):
    arrays = [np.asarray(one) for one in ours.get_weights()]
    assert [one.shape for one in arrays] == [tuple(one.shape) for one in theirs.weights]
    theirs.set_weights(arrays)


def assert_equal(ours, theirs, logs=None, twin=None):
    for mine, one in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, one, rtol=2e-4, atol=2e-6)
    for name in logs or ():
        np.testing.assert_allclose(logs[name], twin[name], rtol=2e-4, err_msg=name)


def fitted(make, x, y=None, **options):
    """Train a program on both libraries, compare them, and return the logs of Lamina."""
    pair = [make(Ours), make(keras)]
    first = x[:8] if isinstance(x, np.ndarray) else [one[:8] for one in x]
    for model in pair:
        model(first) if isinstance(x, np.ndarray) else model(*first)
    same_weights(*pair)
    options = {"batch_size": 8, "epochs": 1, "shuffle": False, "verbose": 0, **options}
    found = [model.fit(x, y, **options).history for model in pair]
    assert found[0].keys() == found[1].keys()
    assert_equal(*pair, *found)
    return found[0], pair


def test_the_loss_of_compute_loss_with_a_metric_of_its_own():
    def make(kit):
        class Own(kit.Model):
            def __init__(self):
                super().__init__()
                self.dense = kit.layers.Dense(1, kernel_regularizer="l2")
                self.squares = kit.metrics.Mean(name="squares")

            def call(self, x):
                return self.dense(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                loss = jnp.mean(jnp.abs(y - y_pred)) + sum(self.losses)
                self.squares.update_state(jnp.mean((y - y_pred) ** 2))
                return loss

        model = Own()
        model.compile(kit.optimizers.SGD(0.1), metrics=["mae"])
        return model

    logs, _ = fitted(make, X, Y, epochs=2, validation_data=(X, Y))
    assert list(logs) == ["loss", "mae", "squares", "val_loss", "val_mae", "val_squares"]


def test_the_base_compute_loss_is_that_of_compile_with_added_losses():
    def make(kit):
        class Activity(kit.layers.Layer):
            def call(self, x):
                self.add_loss(0.1 * jnp.mean(x**2))
                return x

        class Doubled(kit.Model):
            def __init__(self):
                super().__init__()
                self.dense, self.activity = kit.layers.Dense(1), Activity()

            def call(self, x):
                return self.activity(self.dense(x))

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)

        model = Doubled()
        model.compile(kit.optimizers.Adam(0.1), "mse")
        return model

    fitted(make, X, Y, sample_weight=np.linspace(0, 2, 40, dtype="float32"))


def test_averaged_weights_of_a_model_within_a_model():
    def make(lib):
        class Model(lib.Model):
            def __init__(self):
                super().__init__()
                inputs = lib.Input((6,))
                self.inner = lib.Model(inputs, lib.layers.Dense(1)(inputs))

            def call(self, x):
                return self.inner(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **options):
                return jnp.mean((y - y_pred) ** 2)

        model = Model()
        model.compile(lib.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
        return model

    fitted(make, X, Y)


def test_compute_metrics_adds_results():
    def make(kit):
        class Own(kit.Model):
            def __init__(self):
                super().__init__()
                self.dense = kit.layers.Dense(1)
                self.bias = kit.metrics.Mean(name="bias")

            def call(self, x):
                return self.dense(x)

            def compute_metrics(self, x, y, y_pred, sample_weight=None):
                self.bias.update_state(y_pred - y)
                found = super().compute_metrics(x, y, y_pred, sample_weight)
                return {**found, "twice": 2 * self.bias.result()}

        model = Own()
        model.compile(kit.optimizers.SGD(0.1), "mse", metrics=["mae"])
        return model

    logs, _ = fitted(make, X, Y)
    np.testing.assert_allclose(logs["twice"][0], 2 * logs["bias"][0], rtol=1e-6)


def variational(kit):
    class Autoencoder(kit.Model):
        def __init__(self):
            super().__init__()
            self.encoder = kit.layers.Dense(4)
            self.decoder = kit.layers.Dense(6)
            self.total = kit.metrics.Mean(name="loss")
            self.divergence = kit.metrics.Mean(name="kl_loss")

        @property
        def metrics(self):
            return [self.total, self.divergence]

        def call(self, x, noise, training=False):
            mean, logarithm = jnp.split(self.encoder(x), 2, axis=-1)
            return mean, logarithm, self.decoder(mean + jnp.exp(0.5 * logarithm) * noise)

        def loss_of(self, trainable, others, x, noise):
            (mean, logarithm, found), others = self.stateless_call(
                trainable, others, x, noise, training=True
            )
            divergence = -0.5 * jnp.mean(1 + logarithm - mean**2 - jnp.exp(logarithm))
            return jnp.mean((found - x) ** 2) + divergence, (divergence, others)

        def train_step(self, state, data):
            trainable, others, optimizer, metrics = state
            gradient = jax.value_and_grad(self.loss_of, has_aux=True)
            (loss, (divergence, others)), gradients = gradient(trainable, others, *data)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            total = self.total.stateless_update_state(metrics[:2], loss)
            kl = self.divergence.stateless_update_state(metrics[2:], divergence)
            logs = {
                "loss": self.total.stateless_result(total),
                "kl_loss": self.divergence.stateless_result(kl),
            }
            return logs, (trainable, others, optimizer, [*total, *kl])

    model = Autoencoder()
    model.compile(kit.optimizers.Adam(0.01))
    model(X[:8], NOISE[:8])
    return model


def test_a_variational_autoencoder_with_its_own_train_step():
    pair = [variational(Ours), variational(keras)]
    same_weights(*pair)
    found = [
        model.fit(X, NOISE, batch_size=8, epochs=2, shuffle=False, verbose=0).history
        for model in pair
    ]
    assert_equal(*pair, *found)
    assert list(found[0]) == ["loss", "kl_loss"]
    ours, theirs = pair
    np.testing.assert_allclose(ours.total.result(), found[0]["loss"][-1], rtol=1e-6)
    assert int(theirs.optimizer.iterations) == 10


def adversarial(kit):
    class Adversarial(kit.Model):
        def __init__(self):
            super().__init__()
            self.generator = kit.Sequential([kit.Input((2,)), kit.layers.Dense(6)])
            self.discriminator = kit.Sequential([kit.Input((6,)), kit.layers.Dense(1)])
            self.g_loss = kit.metrics.Mean(name="g_loss")

        def compile(self, g_optimizer, d_optimizer):
            super().compile(optimizer=None)
            self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
            g_optimizer.build(self.generator.trainable_variables)
            d_optimizer.build(self.discriminator.trainable_variables)

        def train_step(self, state, data):
            trainable, others, optimizer, metrics = state
            real, noise = data
            g, d = trainable[:2], trainable[2:]
            count = len(self.g_optimizer.variables)
            g_state, d_state = optimizer[:count], optimizer[count:]

            def judged(g, d, x):
                return self.discriminator.stateless_call(d, [], x)[0]

            def generated(g):
                return self.generator.stateless_call(g, [], noise)[0]

            def d_loss(d):
                scores = judged(g, d, generated(g)), judged(g, d, real)
                return jnp.mean(jax.nn.softplus(scores[0]) + jax.nn.softplus(-scores[1]))

            def g_loss(g):
                return jnp.mean(jax.nn.softplus(-judged(g, d, generated(g))))

            loss, gradients = jax.value_and_grad(d_loss)(d)
            d, d_state = self.d_optimizer.stateless_apply(d_state, gradients, d)
            own, gradients = jax.value_and_grad(g_loss)(g)
            g, g_state = self.g_optimizer.stateless_apply(g_state, gradients, g)
            metrics = self.g_loss.stateless_update_state(metrics[-2:], own)
            logs = {"d_loss": loss, "g_loss": self.g_loss.stateless_result(metrics)}
            return logs, ([*g, *d], others, [*g_state, *d_state], [*state[3][:-2], *metrics])

    model = Adversarial()
    model.compile(kit.optimizers.Adam(0.05), kit.optimizers.RMSprop(0.02))
    return model


def test_two_optimizers_of_adversarial_networks_in_one_compiled_step():
    ours, theirs = adversarial(Ours), adversarial(keras)
    same_weights(ours, theirs)
    logs = ours.fit(X, NOISE, batch_size=8, shuffle=False, verbose=0).history
    step = jax.jit(theirs.train_step)
    optimizers = [*theirs.g_optimizer.variables, *theirs.d_optimizer.variables]
    parts = (theirs.trainable_variables, theirs.non_trainable_variables, optimizers)
    state = (*([v.value for v in part] for part in parts), [jnp.zeros(()), jnp.zeros(())])
    for start in range(0, 40, 8):
        twin, state = step(state, (X[start : start + 8], NOISE[start : start + 8]))
    for variable, value in zip(theirs.trainable_variables, state[0], strict=True):
        variable.assign(value)
    assert_equal(ours, theirs)
    for name in ("d_loss", "g_loss"):
        np.testing.assert_allclose(logs[name], [twin[name]], rtol=2e-4)
    assert int(ours.d_optimizer.iterations.value) == 5


def test_a_distillation_with_a_frozen_teacher():
    def make(kit):
        teacher = kit.Sequential([kit.Input((6,)), kit.layers.Dense(3)])
        teacher.trainable = False

        class Distiller(kit.Model):
            def __init__(self):
                super().__init__()
                self.teacher = teacher
                self.student = kit.layers.Dense(3)

            def call(self, x):
                return self.student(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                labels = jax.nn.softmax(self.teacher(x, training=False) / 2)
                distilled = -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(y_pred / 2), -1))
                return 0.1 * super().compute_loss(x, y, y_pred, sample_weight) + 0.9 * distilled

        model = Distiller()
        model.compile(
            kit.optimizers.Adam(0.1),
            kit.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    fitted(make, X, Y[:, 0].astype("int32"))


def test_a_contrastive_model_with_two_metrics():
    def make(kit):
        class Contrastive(kit.Model):
            def __init__(self):
                super().__init__()
                self.encoder = kit.layers.Dense(4)
                self.contrast = kit.metrics.Mean(name="contrast")
                self.hits = kit.metrics.SparseCategoricalAccuracy(name="hits")

            def call(self, x):
                return self.encoder(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                others = self.encoder(x + 0.1)
                a = y_pred / jnp.linalg.norm(y_pred, axis=-1, keepdims=True)
                b = others / jnp.linalg.norm(others, axis=-1, keepdims=True)
                logits = a @ b.T / 0.1
                labels = jnp.arange(len(logits))
                loss = -jnp.mean(jnp.diag(jax.nn.log_softmax(logits)))
                self.contrast.update_state(loss)
                self.hits.update_state(labels, logits)
                return loss

        model = Contrastive()
        model.compile(kit.optimizers.AdamW(0.01))
        return model

    logs, _ = fitted(make, X)
    assert {"contrast", "hits"} <= logs.keys()


def test_gradients_accumulated_over_batches():
    def make(kit):
        class Own(kit.Model):
            def __init__(self):
                super().__init__()
                self.dense = kit.layers.Dense(1)

            def call(self, x):
                return self.dense(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                return jnp.mean((y - y_pred) ** 4)

        model = Own()
        model.compile(kit.optimizers.SGD(0.01, gradient_accumulation_steps=2))
        return model

    fitted(make, X, Y)


class Plain(lamina.Model):
    def __init__(self):
        super().__init__()
        self.dense, self.dropout = lamina.layers.Dense(1), lamina.layers.Dropout(0.5)
        self.seen = lamina.metrics.Sum(name="seen")

    def call(self, x):
        self.seen.update_state(jnp.ones(len(x)))
        return self.dropout(self.dense(x))


def test_a_metric_updated_in_call_is_in_the_logs_and_starts_anew_in_each_epoch():
    model = Plain()
    model.compile("sgd", "mse")
    logs = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X[:10], Y[:10])).history
    assert logs["seen"] == [40, 40] and logs["val_seen"] == [10, 10]
    assert model.seen.result() == 40


def test_a_step_draws_other_random_numbers_each_time_and_the_same_in_each_run():
    class Own(Plain):
        def train_step(self, state, data):
            trainable, *rest = state
            one = self.stateless_call(trainable, rest[0], data[0], training=True)[0]
            two = self.stateless_call(trainable, rest[0], data[0], training=True)[0]
            return {"zeros": jnp.mean(one == 0.0), "same": jnp.mean(one == two)}, state

        def call(self, x):
            return self.dropout(self.dense(x))

    def logs():
        lamina.set_seed(0)
        model = Own()
        model.compile("sgd", "mse")
        return [model.train_on_batch(X, Y, return_dict=True) for _ in range(2)]

    first, second = logs()
    assert first["same"] < 1 and first != second and [first, second] == logs()


def test_the_learning_rate_is_set_while_training():
    model = variational(Ours)
    rates = lamina.training.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    logs = model.fit(X, NOISE, epochs=2, callbacks=[rates], verbose=0).history
    np.testing.assert_allclose(logs["learning_rate"], [0.1, 0.05], rtol=1e-6)
    np.testing.assert_allclose(model.optimizer.learning_rate, 0.05, rtol=1e-6)


def test_a_run_resumed_from_a_checkpoint_ends_with_the_same_weights(tmp_path):
    def trained(epochs, **options):
        lamina.set_seed(0)
        model = variational(Ours)
        model.fit(X, NOISE, epochs=epochs, verbose=0, **options)
        return model.get_weights()

    whole = trained(4)
    trained(2, checkpoint_dir=tmp_path)
    resumed = trained(4, checkpoint_dir=tmp_path, resume=True)
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_finite_stops_training_before_the_step():
    model = variational(Ours)
    before = model.get_weights()
    with pytest.raises(NotFiniteError, match="train_step"):
        model.fit(X, NOISE * np.float32(1e30), verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_gradient_that_is_not_finite_stops_training_before_the_step():
    class Steep(lamina.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return jnp.sqrt(y_pred - y_pred).mean()  # finite, with the derivative inf - inf

    inputs = lamina.Input((6,))
    model = Steep(inputs, lamina.layers.Dense(1)(inputs))
    model.compile("adam")
    before = model.get_weights()
    with pytest.raises(NotFiniteError):
        model.fit(X, Y, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scales", [True, False])
def test_a_step_of_float16_scales_its_loss(scales):
    class Half(lamina.Model):
        def train_step(self, state, data):
            trainable, others, optimizer, kept = state
            x, y = data

            def loss_of(trainable, others):
                outputs, others = self.stateless_call(trainable, others, x, training=True)
                loss = jnp.square(y - outputs.astype("float32")).mean()
                return self.optimizer.scale_loss(loss) if scales else loss, (loss, others)

            gradient = jax.grad(loss_of, has_aux=True)
            gradients, (loss, others) = gradient(trainable, others)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            return {"loss": loss}, (trainable, others, optimizer, kept)

    lamina.set_dtype_policy("mixed_float16")
    try:
        inputs = lamina.Input((6,))
        model = Half(inputs, lamina.layers.Dense(1, kernel_initializer="zeros")(inputs))
        model.compile(tf.keras.optimizers.SGD(0.5))
        if scales:
            model.train_on_batch(X, Y)
        else:
            with pytest.warns(UserWarning, match="scale_loss"):
                model.train_on_batch(X, Y)
    finally:
        lamina.set_dtype_policy("float32")
    expected = 0.5 * 2 * (X * Y).mean(0)  # one step from zeros
    np.testing.assert_allclose(model.get_weights()[0][:, 0], expected, rtol=5e-3, atol=1e-4)


def test_a_step_of_tensorflow_is_refused():
    class Own(Plain):
        def train_step(self, data):
            return {}

    with pytest.raises(InputError, match="state, data"):
        Own().compile("sgd", "mse")


def test_a_step_that_returns_something_else_is_an_error():
    class Own(Plain):
        def train_step(self, state, data):
            return {"loss": 0.0}, state[:2]

    model = Own()
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match="did not return logs and state"):
        model.fit(X, Y, verbose=0)


def test_an_optimizer_that_is_not_built_is_an_error():
    model = adversarial(Ours)
    model.g_optimizer = tf.keras.optimizers.SGD(0.1)
    with pytest.raises(InputError, match=r"build"):
        model.fit(X, NOISE, verbose=0)


def test_predict_step_computes_the_outputs_of_predict():
    class Own(Plain):
        def predict_step(self, state, data):
            outputs, others = self.stateless_call(*state, data, training=False)
            return 2 * outputs, others

    model = Own()
    model(X)
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * model(X), rtol=1e-6)


def test_a_metric_updated_in_train_loss_is_an_error():
    class Own(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.size = lamina.layers.Dense(1), lamina.metrics.Mean()

        def call(self, x):
            return self.dense(x)

        def train_loss(self, batch):
            loss = jnp.mean(self(batch) ** 2)
            self.size.update_state(loss)
            return loss

    model = Own()
    model.compile("sgd")
    with pytest.raises(InputError, match="updated a metric"):
        model.fit(X, verbose=0)


def test_a_scaled_loss_gives_the_same_step():
    def weights(**options):
        class Own(lamina.Model):
            def __init__(self):
                super().__init__()
                self.dense = lamina.layers.Dense(1, kernel_initializer="ones")

            def call(self, x):
                return self.dense(x)

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                return jnp.mean((y - y_pred) ** 2)

        model = Own()
        optimizer = tf.keras.optimizers.SGD(0.1, **options)
        if not options:
            optimizer = tf.keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(optimizer)
        model.fit(X, Y, shuffle=False, verbose=0)
        return model.get_weights()

    for one, other in zip(weights(), weights(loss_scale_factor=8.0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
        assert not np.array_equal(one, np.ones_like(one))
