"""Models with one fault each: the code, the path of the layer, the model and its inputs."""

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina import Input, Layer, Model, Sequential, Spec, layers, losses

FAULTY = {}


def faulty(code, path, *specs, severity="warning", **named):
    def add(make):
        FAULTY[make.__name__] = code, path, severity, make, specs, named
        return make

    return add


def of_layers(*parts, **compiled):
    model = Sequential(list(parts))
    if compiled:
        model.compile("adam", **compiled)
    return model


class TwoHeads(Model):
    def __init__(self):
        super().__init__()
        self.trunk = layers.Dense(8, activation="relu")
        self.head = layers.Dense(1)
        self.spare = layers.Dense(3)

    def call(self, x):
        return self.head(self.trunk(x))


@faulty("unused-layer", "spare", (None, 4))
def never_called():
    return TwoHeads()


class AllButTheLast(Model):
    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(4, activation="relu") for _ in range(3)]

    def call(self, x):
        for block in self.blocks[:-1]:
            x = block(x)
        return x


@faulty("unused-layer", "blocks.2", (None, 4))
def last_of_a_list():
    return AllButTheLast()


class MadeInCall(Model):
    def call(self, x):
        return layers.Dense(3)(x)


@faulty("layer-in-call", "", (None, 4), severity="error")
def made_in_call():
    return MadeInCall()


class InASet(Model):
    def __init__(self):
        super().__init__()
        self.parts = {layers.Dense(4)}

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


@faulty("untracked", "", (None, 4), severity="error")
def in_a_set():
    return InASet()


class Closure(Model):
    def __init__(self):
        super().__init__()
        inner = layers.Dense(4)
        self.function = lambda x: inner(x)

    def call(self, x):
        return self.function(x)


@faulty("untracked", "", (None, 4), severity="error")
def in_a_closure():
    return Closure()


class Box:
    def __init__(self):
        self.inside = layers.Dense(4)


class InAnObject(Model):
    def __init__(self):
        super().__init__()
        self.box = Box()

    def call(self, x):
        return self.box.inside(x)


@faulty("untracked", "", (None, 4), severity="error")
def in_an_object():
    return InAnObject()


@faulty("unknown-dim", "layers.1", (None, None, 4), severity="error")
def weight_of_unknown_size():
    return of_layers(layers.Flatten(), layers.Dense(2))


@faulty("build-error", "layers.1", (None, 4), severity="error")
def wrong_rank():
    return of_layers(layers.Dense(3), layers.Conv2D(4, 3))


class Stopped(Model):
    def __init__(self):
        super().__init__()
        self.below = layers.Dense(4, activation="tanh")
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(jax.lax.stop_gradient(self.below(x)))


@faulty("no-gradient", "below", (None, 4))
def stopped_gradient():
    return Stopped()


class Rounded(Model):
    def __init__(self):
        super().__init__()
        self.below = layers.Dense(4, activation="sigmoid")
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(jnp.round(self.below(x)))


@faulty("no-gradient", "below", (None, 4))
def rounded():
    return Rounded()


class Dropped(Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(4), layers.Dense(4)

    def call(self, x):
        self.first(x)
        return self.second(x)


@faulty("no-gradient", "first", (None, 4))
def unused_result():
    return Dropped()


@faulty("dead-units", "layers.0", (None, 4))
def negative_bias():
    dead = layers.Dense(16, activation="relu", bias_initializer=lamina.initializers.Constant(-50.0))
    return of_layers(dead, layers.Dense(1))


@faulty("saturated-units", "layers.0", (None, 4))
def large_weights():
    wide = lamina.initializers.RandomNormal(stddev=1000.0)
    return of_layers(layers.Dense(16, activation="tanh", kernel_initializer=wide), layers.Dense(1))


@faulty("exploding-activations", "layers.3", (None, 32))
def growing():
    wide = lamina.initializers.RandomNormal(stddev=4.0)
    return of_layers(
        *(layers.Dense(32, activation="relu", kernel_initializer=wide) for _ in range(5))
    )


@faulty("vanishing-activations", "layers.3", (None, 32))
def shrinking():
    narrow = lamina.initializers.RandomNormal(stddev=0.01)
    return of_layers(
        *(layers.Dense(32, activation="tanh", kernel_initializer=narrow) for _ in range(5))
    )


class OneBatch(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, x):
        return self.dense(x).reshape(8, 2, 2)


@faulty("fixed-batch", "", (8, 4))
def reshaped_to_one_batch():
    return OneBatch()


class PerExample(Layer):
    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[0], 1), "ones")

    def call(self, x):
        return x * self.scale


class BatchInWeight(Model):
    def __init__(self):
        super().__init__()
        self.scale = PerExample()

    def call(self, x):
        return self.scale(x)


@faulty("batch-in-weight", "scale", (8, 4), severity="error")
def batch_in_a_weight():
    return BatchInWeight()


class Spread(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x) - x.mean(-1)


@faulty("batch-times-batch", "", (None, 4))
def column_minus_row():
    return Spread()


@faulty("few-values-normalized", "layers.1", (2, 4))
def tiny_batch():
    return of_layers(layers.Dense(8, use_bias=False), layers.BatchNormalization(), layers.Dense(1))


@faulty("dropout-last", "layers.1", (None, 4))
def dropout_on_the_output():
    return of_layers(layers.Dense(8), layers.Dropout(0.5))


@faulty("dropout-before-normalization", "layers.1", (None, 4))
def dropout_before_normalization():
    return of_layers(
        layers.Dense(8, activation="relu"),
        layers.Dropout(0.5),
        layers.BatchNormalization(),
        layers.Dense(1),
    )


@faulty("bias-before-normalization", "layers.0", (None, 8, 8, 3))
def bias_before_normalization():
    return of_layers(
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(2, 3)
    )


@faulty("probabilities-as-logits", "layers.1", (None, 4))
def softmax_and_from_logits():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return of_layers(
        layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax"), loss=loss
    )


@faulty("probabilities-as-logits", "layers.0", (None, 4))
def sigmoid_and_from_logits():
    loss = losses.BinaryCrossentropy(from_logits=True)
    return of_layers(layers.Dense(1, activation="sigmoid"), loss=loss)


@faulty("logits-as-probabilities", "layers.1", (None, 4))
def logits_without_from_logits():
    loss = "sparse_categorical_crossentropy"
    return of_layers(layers.Dense(8, activation="relu"), layers.Dense(3), loss=loss)


@faulty("logits-as-probabilities", "layers.0", (None, 4))
def binary_logits_without_from_logits():
    return of_layers(layers.Dense(1), loss="binary_crossentropy")


@faulty("relu-as-logits", "layers.1", (None, 4))
def relu_as_logits():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return of_layers(
        layers.Dense(8, activation="tanh"), layers.Dense(5, activation="relu"), loss=loss
    )


@faulty("one-class", "layers.0", (None, 4))
def one_class():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return of_layers(layers.Dense(1), loss=loss)


@faulty("softmax-of-one", "layers.1", (None, 4))
def softmax_of_one():
    return of_layers(layers.Dense(8, activation="relu"), layers.Dense(1, activation="softmax"))


@faulty("softmax-twice", "layers.1", (None, 4))
def softmax_of_softmax():
    return of_layers(layers.Dense(3, activation="softmax"), layers.Softmax())


@faulty("linear-after-linear", "layers.0", (None, 4))
def no_activation():
    return of_layers(layers.Dense(32), layers.Dense(1))


@faulty("equal-units", "layers.0", (None, 4))
def equal_units():
    return of_layers(layers.Dense(8, activation="tanh", kernel_initializer="ones"), layers.Dense(1))


@faulty("integers-into-weights", "layers.0", Spec((None, 4), "int32"))
def ids_into_dense():
    return of_layers(layers.Dense(8, activation="relu"), layers.Dense(1))


@faulty("normalization-of-one", "layers.1", (None, 4))
def normalization_of_one():
    return of_layers(layers.Dense(1), layers.LayerNormalization())


class AlwaysInference(Model):
    def __init__(self):
        super().__init__()
        self.norm = layers.BatchNormalization()
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.norm(x, training=False))


@faulty("training-fixed", "norm", (None, 4))
def always_inference():
    return AlwaysInference()


class AlwaysTraining(Model):
    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.3)
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(self.drop(x, training=True))


@faulty("training-fixed", "drop", (None, 4))
def always_training():
    return AlwaysTraining()


@faulty("nothing-trains", "", (None, 4))
def all_frozen():
    model = of_layers(layers.Dense(3), loss="mse")
    model.build((None, 4))
    model.trainable = False
    return model


class TrainingFails(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x, training=False):
        if training:
            x = x.reshape(-1, 3, 7)
        return self.dense(x)


@faulty("mode-fails", "", (None, 4))
def training_fails():
    return TrainingFails()


class Squash(Layer):
    def call(self, x):
        return x * 2


@faulty("lost-mask", "layers.1", Spec((None, 5), "int32"))
def lost_mask():
    return of_layers(
        layers.Embedding(10, 4, mask_zero=True), Squash(), layers.LSTM(3), layers.Dense(1)
    )


class Logarithm(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, x):
        return self.dense(jnp.log(x))


@faulty("not-finite", "dense", np.zeros((4, 3), "float32"), severity="error")
def logarithm_of_zero():
    return Logarithm()


@faulty("logits-as-probabilities", "dense_1", severity="warning")
def functional_of_logits():
    x = Input((4,))
    model = Model(x, layers.Dense(3)(layers.Dense(8, activation="relu")(x)))
    model.compile("adam", "categorical_crossentropy")
    return model


@faulty("floats-into-embedding", "layers.0", (None, 5))
def numbers_as_ids():
    return of_layers(layers.Embedding(10, 4), layers.GlobalAveragePooling1D(), layers.Dense(1))
