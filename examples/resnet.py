"""Plan and run ResNet-18. The plan gives the number of weights before any of them is allocated.

With 1,000 classes, the model has 11,689,512 trainable weights, as torchvision's resnet18: 20
convolutions, 20 batch normalizations and a dense layer. The moving means and variances are 9,600
non-trainable weights.

Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, arXiv 1512.03385.

Usage: python examples/resnet.py
"""

import argparse

import jax
import jax.numpy as jnp

import lamina
from lamina import Layer, Model, Sequential, layers


class ConvNorm(Layer):
    """Convolution and batch normalization of images `[batch, height, width, channels]`.

    The padding is symmetric, as in PyTorch; with strides of 2, "same" would be asymmetric.
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
    """Two convolutions with a shortcut, which is a convolution if the shape changes."""

    def __init__(self, filters: int, strides: int = 1):
        super().__init__()
        self.first = ConvNorm(filters, 3, strides)
        self.second = ConvNorm(filters, 3)
        self.shortcut = layers.Identity() if strides == 1 else ConvNorm(filters, 1, strides)

    def call(self, x):
        return jax.nn.relu(self.second(jax.nn.relu(self.first(x))) + self.shortcut(x))


class ResNet18(Model):
    """ResNet-18: images `[batch, height, width, 3]` to logits `[batch, classes]`."""

    def __init__(self, classes: int = 1000, filters: int = 64):
        super().__init__()
        self.stem = ConvNorm(filters, 7, strides=2)
        self.pool = Sequential([layers.ZeroPadding2D(1), layers.MaxPooling2D(3, 2)])
        self.blocks = [
            Block(filters * 2**stage, strides=2 if stage and not block else 1)
            for stage in range(4)
            for block in range(2)
        ]
        self.pooling = layers.GlobalAveragePooling2D()
        self.output = layers.Dense(classes)

    def call(self, x):
        x = self.pool(jax.nn.relu(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.output(self.pooling(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=224, help="image size in pixels (224)")
    parser.add_argument("--batch", type=int, default=2, help="batch size (2)")
    options = parser.parse_args()
    lamina.set_seed(0)
    model = ResNet18()
    plan = model.plan((None, options.size, options.size, 3))
    trainable = sum(v.size for v in plan.variables if v.trainable)
    others = plan.count_params() - trainable
    print(f"planned: {trainable:,} trainable weights, {others:,} non-trainable weights")
    images = jax.random.normal(jax.random.key(0), (options.batch, options.size, options.size, 3))
    logits = lamina.jit(model)(images)
    print(f"logits {logits.shape}, finite: {bool(jnp.isfinite(logits).all())}")


if __name__ == "__main__":
    main()
