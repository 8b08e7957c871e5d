"""ResNet-18, planned and run: its 11,689,512 weights are known before one of them exists.

That is the number that torchvision gives for its resnet18, with 1,000 classes: what training
changes, the 20 convolutions, the 20 normalizations after them and the last layer. The means and
variances that the normalizations keep are 9,600 more, which do not train.

Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, arXiv 1512.03385.

Run it: python examples/resnet.py
"""

import argparse

import jax
import jax.numpy as jnp

import lamina
from lamina import Layer, Model, Sequential, layers


class Convolved(Layer):
    """A convolution and its normalization, over images `[batch, height, width, channels]`.

    Edges are padded alike at both ends, as PyTorch does; "same" would not where strides are 2.
    """

    def __init__(self, filters: int, size: int, strides: int = 1):
        super().__init__()
        self.pad = layers.ZeroPadding2D(size // 2)
        self.convolution = layers.Conv2D(
            filters, size, strides, use_bias=False, kernel_initializer="he_normal"
        )
        self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def call(self, x):
        return self.norm(self.convolution(self.pad(x)))


class Block(Layer):
    """Two convolutions and a way around them, itself convolved where the shape changes."""

    def __init__(self, filters: int, strides: int = 1):
        super().__init__()
        self.first = Convolved(filters, 3, strides)
        self.second = Convolved(filters, 3)
        self.around = layers.Identity() if strides == 1 else Convolved(filters, 1, strides)

    def call(self, x):
        return jax.nn.relu(self.second(jax.nn.relu(self.first(x))) + self.around(x))


class ResNet18(Model):
    """`[batch, height, width, 3] -> [batch, classes]`: a score for each class."""

    def __init__(self, classes: int = 1000, filters: int = 64):
        super().__init__()
        self.stem = Convolved(filters, 7, strides=2)
        self.pool = Sequential([layers.ZeroPadding2D(1), layers.MaxPooling2D(3, 2)])
        self.blocks = [
            Block(filters * 2**stage, strides=2 if stage and not block else 1)
            for stage in range(4)
            for block in range(2)
        ]
        self.mean = layers.GlobalAveragePooling2D()
        self.scores = layers.Dense(classes)

    def call(self, x):
        x = self.pool(jax.nn.relu(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.scores(self.mean(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=224, help="of an image, in pixels")
    parser.add_argument("--batch", type=int, default=2)
    given = parser.parse_args()
    lamina.set_seed(0)
    model = ResNet18()
    plan = model.plan((None, given.size, given.size, 3))
    trained = sum(v.size for v in plan.variables if v.trainable)
    print(f"planned: {trained:,} weights to train, {plan.count_params() - trained:,} statistics")
    images = jax.random.normal(jax.random.key(0), (given.batch, given.size, given.size, 3))
    scores = lamina.jit(model)(images)
    print(f"scores {scores.shape}, finite: {bool(jnp.isfinite(scores).all())}")


if __name__ == "__main__":
    main()
