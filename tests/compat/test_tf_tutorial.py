"""The attention decoder of the classic TensorFlow translation tutorial, one import line changed."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from keras import ops

import lamina
from lamina.compat import tf
from tests.close import assert_close

VOCABULARY, EMBEDDING, UNITS, BATCH, TIME = 11, 6, 8, 4, 5


class Encoder(tf.keras.Model):
    def __init__(self, vocab_size, embedding_dim, enc_units, batch_sz):
        super(Encoder, self).__init__()  # noqa: UP008 - as the tutorial writes it
        self.batch_sz = batch_sz
        self.enc_units = enc_units
        self.embedding = tf.keras.layers.Embedding(vocab_size, embedding_dim)
        self.gru = tf.keras.layers.GRU(
            self.enc_units,
            return_sequences=True,
            return_state=True,
            recurrent_initializer="glorot_uniform",
        )

    def call(self, x, hidden):
        x = self.embedding(x)
        output, state = self.gru(x, initial_state=hidden)
        return output, state

    def initialize_hidden_state(self):
        return tf.zeros((self.batch_sz, self.enc_units))


class BahdanauAttention(tf.keras.layers.Layer):
    def __init__(self, units):
        super(BahdanauAttention, self).__init__()  # noqa: UP008
        self.W1 = tf.keras.layers.Dense(units)
        self.W2 = tf.keras.layers.Dense(units)
        self.V = tf.keras.layers.Dense(1)

    def call(self, query, values):
        query_with_time_axis = tf.expand_dims(query, 1)
        score = self.V(tf.nn.tanh(self.W1(query_with_time_axis) + self.W2(values)))
        attention_weights = tf.nn.softmax(score, axis=1)
        context_vector = attention_weights * values
        context_vector = tf.reduce_sum(context_vector, axis=1)
        return context_vector, attention_weights


class Decoder(tf.keras.Model):
    def __init__(self, vocab_size, embedding_dim, dec_units, batch_sz):
        super(Decoder, self).__init__()  # noqa: UP008
        self.batch_sz = batch_sz
        self.dec_units = dec_units
        self.embedding = tf.keras.layers.Embedding(vocab_size, embedding_dim)
        self.gru = tf.keras.layers.GRU(
            self.dec_units,
            return_sequences=True,
            return_state=True,
            recurrent_initializer="glorot_uniform",
        )
        self.fc = tf.keras.layers.Dense(vocab_size)
        self.attention = BahdanauAttention(self.dec_units)

    def call(self, x, hidden, enc_output):
        context_vector, attention_weights = self.attention(hidden, enc_output)
        x = self.embedding(x)
        x = tf.concat([tf.expand_dims(context_vector, 1), x], axis=-1)
        output, state = self.gru(x)
        output = tf.reshape(output, (-1, output.shape[2]))
        x = self.fc(output)
        return x, state, attention_weights


loss_object = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")


def loss_function(real, pred):
    mask = tf.math.logical_not(tf.math.equal(real, 0))
    loss_ = loss_object(real, pred)
    mask = tf.cast(mask, dtype=loss_.dtype)
    loss_ *= mask
    return tf.reduce_mean(loss_)


PATHS = [
    "embedding.embeddings",
    "gru.kernel",
    "gru.recurrent_kernel",
    "gru.bias",
    "fc.kernel",
    "fc.bias",
    "attention.W1.kernel",
    "attention.W1.bias",
    "attention.W2.kernel",
    "attention.W2.bias",
    "attention.V.kernel",
    "attention.V.bias",
]
SHAPES = {"x": (BATCH, 1), "hidden": (BATCH, UNITS), "enc_output": (BATCH, TIME, UNITS)}


@pytest.fixture
def decoder():
    lamina.set_seed(0)
    return Decoder(VOCABULARY, EMBEDDING, UNITS, BATCH)


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return (
        random.integers(0, VOCABULARY, (BATCH, 1)).astype(np.int32),
        random.normal(size=(BATCH, UNITS)).astype(np.float32),
        random.normal(size=(BATCH, TIME, UNITS)).astype(np.float32),
    )


def test_it_builds_from_shapes_by_name(decoder):
    assert decoder.variables == []
    decoder.build(**SHAPES)
    assert list(decoder.values()) == PATHS
    assert len(decoder.variables) == len(decoder.trainable_variables) == 12
    assert decoder.gru.kernel.shape == (UNITS + EMBEDDING, 3 * UNITS)
    assert [type(layer).__name__ for layer in decoder.layers] == [
        "Embedding",
        "GRU",
        "Dense",
        "BahdanauAttention",
    ]


def test_its_plan_allocates_nothing_and_needs_no_sizes(decoder):
    plan = decoder.plan(x=(None, 1), hidden=(None, UNITS), enc_output=(None, "time", UNITS))
    assert [variable.path for variable in plan.variables] == PATHS
    assert not plan.unused
    assert plan.calls[0].outputs[2].shape == (None, "time", 1)
    assert not decoder.built


def test_a_step_runs_and_another_batch_size_fits(decoder, inputs):
    decoder.build(**SHAPES)
    logits, state, weights = decoder(*inputs)
    assert (logits.shape, state.shape) == ((BATCH, VOCABULARY), (BATCH, UNITS))
    assert weights.shape == (BATCH, TIME, 1)
    assert_close(tf.reduce_sum(weights, axis=1), 1, rtol=1e-6)
    alone = lamina.jit(decoder)(*(array[:1] for array in inputs))[0]
    np.testing.assert_allclose(alone, np.asarray(logits)[:1], atol=1e-6)


def test_built_by_call_and_by_shapes_it_has_the_same_weights(decoder, inputs):
    decoder.build(**SHAPES)
    lamina.set_seed(0)
    called = Decoder(VOCABULARY, EMBEDDING, UNITS, BATCH)
    called(*inputs)
    for path, value in decoder.values().items():
        np.testing.assert_array_equal(value, called.values()[path])


def test_its_numbers_are_those_of_keras_on_the_same_weights(decoder, inputs):
    x, hidden, encoded = inputs
    logits, state, weights = decoder(x, hidden, encoded)
    values = {path: np.asarray(value) for path, value in decoder.values().items()}

    def dense(units, path):
        return keras.layers.Dense(units), [f"{path}.kernel", f"{path}.bias"]

    w1, w2, v, fc = (
        dense(UNITS, "attention.W1"),
        dense(UNITS, "attention.W2"),
        dense(1, "attention.V"),
        dense(VOCABULARY, "fc"),
    )
    embedding = keras.layers.Embedding(VOCABULARY, EMBEDDING), ["embedding.embeddings"]
    gru = (
        keras.layers.GRU(UNITS, return_sequences=True, return_state=True),
        ["gru.kernel", "gru.recurrent_kernel", "gru.bias"],
    )

    def call():
        score = v[0](ops.tanh(w1[0](ops.expand_dims(hidden, 1)) + w2[0](encoded)))
        shares = ops.softmax(score, axis=1)
        context = ops.sum(shares * encoded, axis=1)
        joined = ops.concatenate([ops.expand_dims(context, 1), embedding[0](x)], axis=-1)
        output, last = gru[0](joined)
        return fc[0](ops.reshape(output, (-1, UNITS))), last, shares

    call()  # Keras's layers have weights from here on
    for layer, paths in (w1, w2, v, fc, embedding, gru):
        layer.set_weights([values[path] for path in paths])
    for ours, theirs in zip((logits, state, weights), call(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def steps_in_python(decoder, values, targets, hidden, encoded):
    loss = 0.0
    dec_input = tf.expand_dims(targets[:, 0], 1)
    for t in range(1, targets.shape[1]):
        (predictions, hidden, _), _ = decoder.apply(values, dec_input, hidden, encoded)
        loss += loss_function(targets[:, t], predictions)
        dec_input = tf.expand_dims(targets[:, t], 1)
    return loss / (targets.shape[1] - 1)


def steps_in_scan(decoder, values, targets, hidden, encoded):
    def step(hidden, tokens):
        given, wanted = tokens
        (predictions, hidden, _), _ = decoder.apply(
            values, tf.expand_dims(given, 1), hidden, encoded
        )
        return hidden, loss_function(wanted, predictions)

    by_time = targets.T
    return jnp.mean(jax.lax.scan(step, hidden, (by_time[:-1], by_time[1:]))[1])


def test_gradients_through_time_are_the_same_in_python_and_in_scan(decoder, inputs):
    _, hidden, encoded = map(jnp.asarray, inputs)
    decoder.build(**SHAPES)
    targets = np.random.default_rng(1).integers(1, VOCABULARY, (BATCH, 3))
    slopes = [
        jax.jit(jax.grad(lambda values, run=run: run(decoder, values, targets, hidden, encoded)))(
            decoder.values()
        )
        for run in (steps_in_python, steps_in_scan)
    ]
    for path in PATHS:
        np.testing.assert_allclose(slopes[0][path], slopes[1][path], atol=1e-6)
    # The tutorial starts its GRU at zeros in every step, so the recurrent kernel meets only zeros;
    # and a softmax does not change with a bias that all its scores share.
    idle = [path for path in PATHS if np.abs(slopes[0][path]).max() < 1e-8]
    assert idle == ["gru.recurrent_kernel", "attention.V.bias"]


class Teacher(tf.keras.Model):
    """Reaches the decoder for the first time inside a scan, or in a loop of Python's."""

    def __init__(self, scan):
        super().__init__()
        self.decoder = Decoder(VOCABULARY, EMBEDDING, UNITS, BATCH)
        self.scan = scan

    def call(self, targets, hidden, enc_output):
        def step(hidden, token):
            logits, hidden, _ = self.decoder(tf.expand_dims(token, 1), hidden, enc_output)
            return hidden, logits

        by_time = tf.transpose(targets)
        if self.scan:
            return jax.lax.scan(step, hidden, by_time)[1]
        found = []
        for t in tf.range(tf.shape(by_time)[0]):
            hidden, logits = step(hidden, by_time[t])
            found.append(logits)
        return tf.stack(found)


def test_a_decoder_first_reached_in_a_scan_is_built_as_in_a_loop(inputs):
    _, hidden, encoded = inputs
    targets = np.ones((BATCH, 3), np.int32)
    outputs = []
    for scan in (True, False):
        lamina.set_seed(0)
        teacher = Teacher(scan)
        outputs.append(teacher(targets, hidden, encoded))
        assert list(teacher.values()) == [f"decoder.{path}" for path in PATHS]
    np.testing.assert_allclose(*outputs, atol=1e-6)


def test_its_weights_go_through_a_file(decoder, inputs, tmp_path):
    before = decoder(*inputs)
    decoder.save_weights(tmp_path / "decoder.safetensors")
    lamina.set_seed(1)
    other = Decoder(VOCABULARY, EMBEDDING, UNITS, BATCH)
    other.load_weights(tmp_path / "decoder.safetensors")
    for one, two in zip(before, other(*inputs), strict=True):
        np.testing.assert_array_equal(one, two)


START, LENGTH = 1, 3


def reversals(count, seed):
    """The toy language: the translation of a row of digits is the row read backwards."""
    source = np.random.default_rng(seed).integers(2, VOCABULARY, (count, LENGTH)).astype(np.int32)
    start = np.full((count, 1), START, np.int32)
    return source, np.concatenate([start, source[:, ::-1]], axis=1)


class Translator(tf.keras.Model):
    def __init__(self, units=32, batch_sz=64):
        super().__init__()
        self.encoder = Encoder(VOCABULARY, 16, units, batch_sz)
        self.decoder = Decoder(VOCABULARY, 16, units, batch_sz)

    def call(self, inp, targ):
        """The logits of each step, the right word of the step before given."""
        enc_output, hidden = self.encoder(inp, tf.zeros((tf.shape(inp)[0], self.encoder.enc_units)))
        found = []
        for t in range(targ.shape[1] - 1):
            logits, hidden, _ = self.decoder(tf.expand_dims(targ[:, t], 1), hidden, enc_output)
            found.append(logits)
        return tf.stack(found, axis=1)

    def translate(self, inp):
        enc_output, hidden = self.encoder(inp, tf.zeros((tf.shape(inp)[0], self.encoder.enc_units)))
        word = tf.fill((inp.shape[0],), START)
        found = []
        for _ in range(LENGTH):
            logits, hidden, _ = self.decoder(tf.expand_dims(word, 1), hidden, enc_output)
            word = tf.argmax(logits, axis=-1)
            found.append(word)
        return tf.stack(found, axis=1)

    def train_loss(self, batch):
        inp, targ = batch
        return loss_function(targ[:, 1:], self(inp, targ))


def exact(translator):
    source, target = reversals(200, seed=9)
    found = lamina.jit(translator, "translate")(source)
    return np.mean(np.all(np.asarray(found) == target[:, 1:], axis=1))


def test_a_loop_of_ones_own_with_teacher_forcing_learns_to_translate():
    tf.random.set_seed(0)
    translator = Translator()
    optimizer = tf.keras.optimizers.Adam(learning_rate=0.01)
    source, target = reversals(64 * 10, seed=1)
    translator.build((64, LENGTH), (64, LENGTH + 1))
    values = translator.values()
    state = optimizer.init(values)

    @jax.jit
    def train_step(values, state, inp, targ):
        def loss_of(values):
            logits, _ = translator.apply(values, inp, targ)
            return loss_function(targ[:, 1:], logits)

        loss, slopes = jax.value_and_grad(loss_of)(values)
        updates, state = optimizer.update(slopes, state, values)
        return optax.apply_updates(values, updates), state, loss

    assert exact(translator) < 0.05
    total_loss = tf.keras.metrics.Mean(name="loss")
    for _ in range(14):
        total_loss.reset_state()
        for first in range(0, len(source), 64):
            rows = slice(first, first + 64)
            values, state, loss = train_step(values, state, source[rows], target[rows])
            total_loss(loss)
    translator.set_values(values)
    assert total_loss.result() < 0.05
    assert exact(translator) > 0.95


def test_fit_learns_the_same_from_train_loss_alone():
    tf.random.set_seed(0)
    translator = Translator()
    translator.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.01, clipnorm=1.0))
    history = translator.fit(reversals(640, seed=1), batch_size=64, epochs=14, verbose=0)
    assert history.history["loss"][-1] < 0.05 < history.history["loss"][0]
    assert exact(translator) > 0.95


def translators():
    lamina.set_seed(0)
    encoder = Encoder(VOCABULARY, EMBEDDING, UNITS, BATCH)
    decoder = Decoder(VOCABULARY, EMBEDDING, UNITS, BATCH)
    encoder.build(x=(BATCH, TIME), hidden=(BATCH, UNITS))
    decoder.build(**SHAPES)
    return encoder, decoder


@pytest.mark.parametrize("compiled", [True, False])
def test_its_training_loop_with_a_tape(compiled):
    random = np.random.default_rng(0)
    inp, targ = random.integers(1, VOCABULARY, (2, BATCH, TIME)).astype(np.int32)
    encoder, decoder = translators()
    optimizer = tf.keras.optimizers.Adam(0.01)

    def train_step(inp, targ, enc_hidden):
        loss = 0

        with tf.GradientTape() as tape:
            enc_output, enc_hidden = encoder(inp, enc_hidden)
            dec_hidden = enc_hidden
            dec_input = tf.expand_dims([1] * BATCH, 1)
            for t in range(1, targ.shape[1]):
                predictions, dec_hidden, _ = decoder(dec_input, dec_hidden, enc_output)
                loss += loss_function(targ[:, t], predictions)
                dec_input = tf.expand_dims(targ[:, t], 1)

        batch_loss = loss / int(targ.shape[1])
        variables = encoder.trainable_variables + decoder.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return batch_loss

    step = tf.function(train_step) if compiled else train_step
    hidden = encoder.initialize_hidden_state()
    losses = [float(step(inp, targ, hidden)) for _ in range(3 if compiled else 1)]

    # the same with jax.grad and optax
    encoder, decoder = translators()
    values = encoder.values(), decoder.values()
    adam = optax.adam(0.01, eps=1e-7)
    state = adam.init(values)

    @jax.jit
    def loss_of(values):
        output, hidden = encoder.apply(values[0], inp, tf.zeros((BATCH, UNITS)))[0]
        dec_input, loss = jnp.ones((BATCH, 1), jnp.int32), 0.0
        for t in range(1, TIME):
            predictions, hidden, _ = decoder.apply(values[1], dec_input, hidden, output)[0]
            loss += loss_function(targ[:, t], predictions)
            dec_input = targ[:, t : t + 1]
        return loss

    for found in losses:
        loss, gradients = jax.value_and_grad(loss_of)(values)
        assert_close(found, loss / TIME, 1e-5)
        updates, state = adam.update(gradients, state)
        values = optax.apply_updates(values, updates)
    assert compiled is False or losses[-1] < losses[0]
