"""Classify handwritten digits with a convolutional network.

The data is the digits data set of scikit-learn, 1,797 images of 8 x 8 pixels. Training takes some
seconds on two cores. The accuracy on the test images is at least 98 %.

Usage: python examples/digits.py
"""

import argparse

import numpy as np
import optax
from sklearn.datasets import load_digits

import lamina
from lamina import Input, Model, layers

TEST = 360  # number of test images


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images `[1797, 8, 8, 1]` in [0, 1] and their labels, shuffled with a fixed seed."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].reshape(-1, 8, 8, 1).astype("float32") / 16, labels[order]


def conv_block(x, filters: int):
    """Convolution, batch normalization and ReLU."""
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def make_model(filters: int) -> Model:
    """The model: images `[batch, 8, 8, 1]` to logits `[batch, 10]`."""
    image = Input((8, 8, 1), name="image")
    x = conv_block(image, filters)
    x = layers.MaxPooling2D()(conv_block(x, 2 * filters))  # 4 x 4
    x = layers.GlobalAveragePooling2D()(conv_block(x, 4 * filters))
    logits = layers.Dense(10, kernel_regularizer="l2")(layers.Dropout(0.2)(x))
    return Model(image, logits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--filters", type=int, default=24, help="filters of the first layer (24)")
    parser.add_argument("--epochs", type=int, default=15, help="number of epochs (15)")
    options = parser.parse_args()
    images, labels = digits()
    lamina.set_seed(0)
    model = make_model(options.filters)
    model.summary()
    steps = options.epochs * (-(-(len(images) - TEST) // 32))
    model.compile(
        optax.adam(optax.cosine_decay_schedule(5e-3, steps)),
        lamina.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(images[TEST:], labels[TEST:], epochs=options.epochs, verbose=0)
    _, accuracy = model.evaluate(images[:TEST], labels[:TEST], verbose=0)
    print(f"accuracy on {TEST} test images: {accuracy:.2%}")


if __name__ == "__main__":
    main()
