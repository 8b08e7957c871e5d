"""Models without a fault, of every kind, with their inputs."""

import jax
import jax.numpy as jnp
import numpy as np

from lamina import Input, Layer, Model, Sequential, Spec, layers, losses

SOUND = {}

IDS = Spec((None, "time"), "int32")


def sound(*specs, **named):
    def add(make):
        SOUND[make.__name__] = make, specs, named
        return make

    return add


@sound((None, 784))
def classifier():
    model = Sequential(
        [
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@sound()
def functional_with_two_outputs():
    x = Input((16,))
    hidden = layers.Dense(32, activation="relu")(x)
    model = Model(x, [layers.Dense(3)(hidden), layers.Dense(1, activation="sigmoid")(hidden)])
    entropy = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", [entropy, "binary_crossentropy"])
    return model


class TwoOutputs(Model):
    def __init__(self):
        super().__init__()
        self.trunk = layers.Dense(8, activation="tanh")
        self.one, self.other = layers.Dense(2), layers.Dense(3)

    def call(self, x):
        hidden = self.trunk(x)
        return {"one": self.one(hidden), "other": self.other(hidden)}


@sound((None, 4))
def one_output_without_a_loss():
    model = TwoOutputs()
    model.compile("adam", {"one": "mse"})
    return model


class Attention(Layer):
    def __init__(self, units):
        super().__init__()
        self.W1, self.W2 = layers.Dense(units), layers.Dense(units)
        self.V = layers.Dense(1)

    def call(self, query, values):
        scores = self.V(jnp.tanh(self.W1(query)[:, None] + self.W2(values)))
        return (jax.nn.softmax(scores, 1) * values).sum(1)


@sound(query=(None, 8), values=(None, "time", 8))
def additive_attention():
    return Attention(8)


@sound(IDS)
def lstm_with_mask():
    return Sequential([layers.Embedding(50, 8, mask_zero=True), layers.LSTM(8), layers.Dense(1)])


@sound((None, "time", 6))
def gru_and_simple_rnn():
    return Sequential([layers.GRU(8, return_sequences=True), layers.SimpleRNN(4), layers.Dense(2)])


@sound((None, "time", 6))
def bidirectional():
    return Sequential(
        [layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.Dense(2)]
    )


@sound((None, 5, 8))
def time_distributed():
    inner = Sequential([layers.Dense(8, activation="relu"), layers.Dense(3)])
    return Sequential([layers.TimeDistributed(inner), layers.Flatten(), layers.Dense(1)])


class Variational(Model):
    def __init__(self):
        super().__init__()
        self.encoder = layers.Dense(16, activation="relu")
        self.mean, self.log_variance = layers.Dense(4), layers.Dense(4)
        self.decoder = Sequential([layers.Dense(16, activation="relu"), layers.Dense(12)])

    def call(self, x):
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        noise = jax.random.normal(self.rng(), mean.shape)
        self.add_loss(0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(-1).mean())
        return self.decoder(mean + jnp.exp(0.5 * log_variance) * noise)


@sound((None, 12))
def variational_autoencoder():
    return Variational()


class Adversarial(Model):
    def __init__(self):
        super().__init__()
        self.generator = Sequential([layers.Dense(16, activation="relu"), layers.Dense(8)])
        self.discriminator = Sequential([layers.Dense(16), layers.LeakyReLU(0.2), layers.Dense(1)])

    def call(self, noise):
        return self.generator(noise)

    def train_loss(self, batch):
        noise, real = batch
        fake = self(noise)
        return (self.discriminator(fake) - self.discriminator(real)).mean()


@sound((None, 4))
def adversarial_pair():
    return Adversarial()


class Decoder(Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(40, 16)
        self.blocks = [
            layers.TransformerDecoderBlock(32, 2, normalize_first=True) for _ in range(2)
        ]
        self.norm = layers.LayerNormalization()
        self.logits = layers.Dense(40)

    def call(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


@sound(IDS)
def transformer():
    model = Decoder()
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Residual(Layer):
    def __init__(self, filters, strides=1):
        super().__init__()
        self.first = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)
        self.second = layers.Conv2D(filters, 3, padding="same", use_bias=False)
        self.norms = [layers.BatchNormalization(), layers.BatchNormalization(gamma_initializer=0.0)]
        self.shortcut = layers.Conv2D(filters, 1, strides)

    def call(self, x):
        y = jax.nn.relu(self.norms[0](self.first(x)))
        return jax.nn.relu(self.norms[1](self.second(y)) + self.shortcut(x))


@sound((None, 16, 16, 3))
def residual_network():
    return Sequential(
        [
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            Residual(8),
            Residual(16, 2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )


@sound()
def siamese():
    one, other = Input((8,)), Input((8,))
    shared = Sequential([layers.Dense(16, activation="relu"), layers.Dense(4)])
    return Model([one, other], layers.Dot(axes=1, normalize=True)([shared(one), shared(other)]))


class Transfer(Model):
    def __init__(self):
        super().__init__()
        self.backbone = Sequential(
            [
                layers.Conv2D(4, 3, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
            ]
        )
        self.backbone.trainable = False
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(self.backbone(x, training=False))


@sound((None, 12, 12, 3))
def frozen_backbone():
    return Transfer()


@sound((None, 8))
def head_on_frozen_logits():
    trained = Sequential([layers.Dense(16, activation="relu"), layers.Dense(10)])
    trained.trainable = False
    return Sequential([trained, layers.Dense(2)])


@sound((None, "time", 16))
def stack():
    blocks = layers.Stack(lambda: layers.TransformerEncoderBlock(32, 2), 3)
    return Sequential([blocks, layers.GlobalAveragePooling1D(), layers.Dense(2)])


class Tied(Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.ReversibleEmbedding(30, 8)
        self.hidden = layers.Dense(8, activation="gelu")
        self.also = self.embed

    def call(self, ids):
        return self.also(self.hidden(self.embed(ids)), reverse=True)


@sound(IDS)
def tied_embedding():
    return Tied()


@sound((None, 8))
def mixed_precision():
    kind = {"dtype": "mixed_bfloat16"}
    return Sequential([layers.Dense(16, activation="relu", **kind), layers.Dense(3, **kind)])


class Teacher(Model):
    def __init__(self):
        super().__init__()
        self.encoder = layers.Dense(8, activation="relu")
        self.decoder = layers.Dense(4)
        self.projector = layers.Dense(2)

    def call(self, x):
        return self.decoder(self.encoder(x))

    def embed(self, x):
        return self.projector(self.encoder(x))


@sound((None, 4))
def several_methods():
    return Teacher()


class OptionalInput(Model):
    def __init__(self):
        super().__init__()
        self.dense, self.context = layers.Dense(4), layers.Dense(4)

    def call(self, x, context=None):
        y = self.dense(x)
        return y if context is None else y + self.context(context)


@sound((None, 4))
def optional_input():
    return OptionalInput()


class Contrastive(Model):
    def __init__(self):
        super().__init__()
        self.one, self.other = layers.Dense(8), layers.Dense(8)

    def call(self, x, y):
        return self.one(x) @ self.other(y).T


@sound(x=("n", 4), y=("n", 6))
def contrastive():
    return Contrastive()


class Normalized(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        y = self.dense(x)
        return y / jnp.linalg.norm(y, axis=-1, keepdims=True)


@sound((None, 4))
def unit_vectors():
    return Normalized()


@sound(np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1)).astype("uint8"))
def scaled_pixels():
    return Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@sound((32, 10))
def known_batch():
    return Sequential([layers.Dense(16, activation="gelu"), layers.Dense(1)])


@sound((None, 4))
def only_labels():
    class Labels(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x).argmax(-1)

    return Labels()
