"""Masks between the layers that a model's own `call` calls, and explicit masks: as in Keras."""

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import layers

SOURCE = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 2, 3, 4]])
TARGET = np.array([[5, 6, 7, 0, 0], [3, 0, 0, 0, 0], [1, 2, 3, 4, 2]])
LABELS = np.random.default_rng(0).normal(size=(3, 4, 1)).astype("float32")

pytestmark = pytest.mark.filterwarnings("ignore:.*mask")


def model(make, call):
    """A model of each library, of the same layers, and the weights of the first in both."""

    def kind(kit, parts):
        class Net(kit.Model):
            def __init__(self):
                super().__init__()
                for name, layer in make(parts).items():
                    setattr(self, name, layer)

            def call(self, *inputs):
                return call(self, *inputs)

        return Net()

    return kind(lamina, layers), kind(keras, keras.layers)


def check(make, call, *inputs):
    ours, theirs = model(make, call)
    eager = ours(*inputs)
    theirs(*(keras.KerasTensor(x.shape, "int32") for x in inputs))
    theirs.set_weights(ours.get_weights())
    expected = jax.tree.leaves(jax.jit(lambda *inputs: theirs(*inputs))(*inputs))
    applied, _ = jax.jit(ours.apply)(ours.values(), *inputs)
    found = (eager, lamina.jit(ours)(*inputs), applied)
    for outputs in found:
        for one, other in zip(jax.tree.leaves(outputs), expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    return ours, theirs


def one_source(parts):
    return {
        "embed": parts.Embedding(9, 8, mask_zero=True),
        "gru": parts.GRU(8, return_sequences=True),
        "lstm": parts.LSTM(3),
        "heads": parts.MultiHeadAttention(2, 4),
        "noisy_heads": parts.MultiHeadAttention(2, 4, dropout=0.1),
        "dot": parts.Attention(),
        "each": parts.TimeDistributed(parts.Dense(8)),
        "both": parts.Bidirectional(parts.LSTM(4), merge_mode="sum"),
        "join": parts.Concatenate(1),
        "double": parts.Lambda(lambda x: 2 * x),
        "masked_double": parts.Lambda(lambda x: 2 * x, mask=lambda x, mask: mask),
        "einsum": parts.EinsumDense("abc,cd->abd", (None, 3)),
        "convolution": parts.Conv1D(8, 2, padding="same"),
        "pool": parts.GlobalAveragePooling1D(),
    }


def attended(net, x):
    hidden = net.embed(x)
    return (
        net.pool(net.heads(hidden, hidden)),
        net.noisy_heads(query=hidden, value=hidden),
        net.pool(net.dot([net.embed(x), net.embed(x)])),
    )


CALLS = {
    "attention": attended,
    "recurrences": lambda net, x: {
        "alone": net.lstm(net.embed(x)),
        "wrapped": net.both(net.each(net.embed(x))),
        "merged": net.pool(net.join([net.gru(net.embed(x)), net.embed(x)])),
        "operator": net.pool(net.gru(net.embed(x)) * 2),
        "explicit": net.pool(net.gru(net.embed(x), mask=x != 2)),
        "None": net.pool(net.gru(net.embed(x), mask=None)),
    },
    "others": lambda net, x: {
        "lambda": net.pool(net.double(net.embed(x))),
        "masked lambda": net.pool(net.masked_double(net.embed(x))),
        "einsum": net.pool(net.einsum(net.embed(x))),
        "convolution": net.pool(net.convolution(net.embed(x))),
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_layers_of_a_call_receive_the_masks_that_keras_gives_them(call) -> None:
    used = set(call.__code__.co_names)
    check(lambda parts: {k: v for k, v in one_source(parts).items() if k in used}, call, SOURCE)


def translator(parts):
    return {
        "embed": parts.Embedding(9, 8, mask_zero=True),
        "embed_target": parts.Embedding(9, 8, mask_zero=True),
        "encoder": parts.Bidirectional(parts.GRU(4, return_sequences=True)),
        "decoder": parts.LSTM(8, return_sequences=True, return_state=True),
        "attention": parts.MultiHeadAttention(1, 8),
        "norm": parts.LayerNormalization(),
        "add": parts.Add(),
        "head": parts.Dense(9),
    }


def test_a_translator_equals_that_of_keras() -> None:
    def call(net, source, target):
        memory = net.encoder(net.embed(source))
        query, _, _ = net.decoder(net.embed_target(target))
        seen, scores = net.attention(query=query, value=memory, return_attention_scores=True)
        alone = net.attention(query=query, value=memory, return_attention_scores=False)
        return [*(net.head(net.norm(net.add([query, one]))) for one in (seen, alone)), scores]

    check(translator, call, SOURCE, TARGET)


def test_a_decoder_that_is_given_a_state_equals_that_of_keras() -> None:
    def make(parts):
        return {
            "embed": parts.Embedding(9, 8, mask_zero=True),
            "encoder": parts.LSTM(8, return_state=True),
            "decoder": parts.LSTM(8, return_sequences=True),
            "pool": parts.GlobalAveragePooling1D(),
        }

    def call(net, source, target):
        _, *state = net.encoder(net.embed(source))
        steps = net.decoder(net.embed(target), initial_state=state)
        return steps, net.pool(steps)

    check(make, call, SOURCE, TARGET)


def test_the_loss_and_the_metrics_of_a_subclass_leave_masked_steps_out() -> None:
    def make(parts):
        return {
            "embed": parts.Embedding(9, 8, mask_zero=True),
            "gru": parts.GRU(4, return_sequences=True),
            "head": parts.Dense(1),
        }

    ours, theirs = check(make, lambda net, x: net.head(net.gru(net.embed(x))), SOURCE)
    for net in (ours, theirs):
        net.compile("sgd", "mse", metrics=["mae"])
    found, expected = (net.evaluate(SOURCE, LABELS, verbose=0) for net in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    first, second = (
        net.fit(SOURCE, LABELS, epochs=2, verbose=0, shuffle=False).history["loss"]
        for net in (ours, theirs)
    )
    np.testing.assert_allclose(first, second, rtol=1e-5)


def pooled(kit, parts, mask_of):
    tokens = kit.Input((4,), dtype="int32")
    embed = parts.Embedding(9, 4, mask_zero=True)
    steps = parts.GRU(4, return_sequences=True)(embed(tokens), mask=mask_of(parts, embed, tokens))
    return kit.Model(tokens, parts.GlobalAveragePooling1D()(steps))


@pytest.mark.parametrize(
    "mask_of",
    [
        lambda parts, embed, tokens: parts.Lambda(lambda x: x > 1)(tokens),
        lambda parts, embed, tokens: embed.compute_mask(tokens),
        lambda parts, embed, tokens: tokens > 1,
        lambda parts, embed, tokens: tokens != 2,
    ],
    ids=["Lambda", "compute_mask", "operator", "unequal"],
)
def test_an_explicit_mask_in_a_graph_reaches_the_next_layers(mask_of) -> None:
    ours, theirs = (pooled(*kit, mask_of) for kit in ((lamina, layers), (keras, keras.layers)))
    theirs.set_weights(ours.get_weights())
    expected = jax.jit(lambda source: theirs(source))(SOURCE)
    for found in (ours(SOURCE), lamina.jit(ours)(SOURCE), ours.predict(SOURCE, verbose=0)):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_mask_that_is_an_input_reaches_the_next_layers(by_name) -> None:
    x, mask = lamina.Input((4, 3)), lamina.Input((4,), dtype="bool")
    gru, pool = layers.GRU(4, return_sequences=True), layers.GlobalAveragePooling1D()
    steps = gru(x, mask=mask) if by_name else gru(x, None, mask)
    graph = lamina.Model([x, mask], pool(steps))
    inputs, valid = np.ones((3, 4, 3), "float32"), SOURCE != 0
    expected = pool(gru(inputs, mask=valid), mask=valid)
    np.testing.assert_allclose(graph([inputs, valid]), expected, atol=1e-6)
    np.testing.assert_allclose(lamina.jit(graph)([inputs, valid]), expected, atol=1e-6)


def test_a_known_value_of_masked_tokens() -> None:
    embed = layers.Embedding(3, 1, embeddings_initializer="ones", mask_zero=True)
    ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}

    class Net(lamina.Layer):
        def __init__(self, reader):
            super().__init__()
            self.embed, self.reader = embed, reader

        def call(self, tokens):
            return self.reader(self.embed(tokens))

    net = Net(layers.SimpleRNN(1, **ones))
    tokens = np.array([[1, 2, 0, 0]])
    np.testing.assert_allclose(net(tokens), np.tanh(1 + np.tanh(1)).reshape(1, 1), rtol=1e-6)


def test_a_transformer_of_two_blocks_equals_that_of_keras() -> None:
    def make(parts):
        return {
            "embed": parts.Embedding(9, 8, mask_zero=True),
            "first": parts.MultiHeadAttention(2, 4),
            "second": parts.MultiHeadAttention(2, 4, dropout=0.1),
            "add": parts.Add(),
            "norm": parts.LayerNormalization(),
            "dense": parts.Dense(8),
            "pool": parts.GlobalAveragePooling1D(),
        }

    def call(net, tokens):
        x = net.embed(tokens)
        for attention in (net.first, net.second):
            x = net.norm(net.add([x, attention(query=x, value=x, key=x)]))
            x = net.norm(net.add([x, net.dense(x)]))
        return x, net.pool(x)

    check(make, call, SOURCE)
