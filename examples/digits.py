"""A convolutional net reads handwritten digits: 1,797 images of 8 x 8 pixels from scikit-learn.

It trains for some seconds on two cores and reads at least 98 in 100 of the digits held out.

Run it: python examples/digits.py
"""

import argparse

import numpy as np
import optax
from sklearn.datasets import load_digits

import lamina
from lamina import Input, Model, layers

HELD_OUT = 360


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images `[1797, 8, 8, 1]`, from 0 to 1, and the digits they show, in a fixed random order."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].reshape(-1, 8, 8, 1).astype("float32") / 16, labels[order]


def convolved(x, filters: int):
    """A convolution, its statistics set right, and a bend."""
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def net(filters: int) -> Model:
    """`[batch, 8, 8, 1] -> [batch, 10]`: a score for each digit."""
    image = Input((8, 8, 1), name="image")
    x = convolved(image, filters)
    x = layers.MaxPooling2D()(convolved(x, 2 * filters))  # 4 x 4
    x = layers.GlobalAveragePooling2D()(convolved(x, 4 * filters))
    scores = layers.Dense(10, kernel_regularizer="l2")(layers.Dropout(0.2)(x))
    return Model(image, scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--filters", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=15)
    given = parser.parse_args()
    images, labels = digits()
    lamina.set_seed(0)
    model = net(given.filters)
    model.summary()
    steps = given.epochs * (-(-(len(images) - HELD_OUT) // 32))
    model.compile(
        optax.adam(optax.cosine_decay_schedule(5e-3, steps)),
        lamina.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(images[HELD_OUT:], labels[HELD_OUT:], epochs=given.epochs, verbose=0)
    _, right = model.evaluate(images[:HELD_OUT], labels[:HELD_OUT], verbose=0)
    print(f"read right of {HELD_OUT} held out: {right:.2%}")


if __name__ == "__main__":
    main()
