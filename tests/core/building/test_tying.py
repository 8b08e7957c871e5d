"""Weights tied in `build`: one variable, with the other place as an alias."""

import copy

import numpy as np
import pytest

import lamina
from lamina import Layer, Model, layers

X = np.ones((2, 3), "float32")


class Tied(Model):
    def __init__(self, make=lambda: layers.Dense(3)):
        super().__init__()
        self.a, self.b = make(), make()

    def build(self, input_shape):
        self.a.build(input_shape)
        self.b.build(input_shape)
        self.b.kernel = self.a.kernel

    def call(self, inputs):
        return self.b(self.a(inputs))


class TiedEmbedding(Layer):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.Embedding(5, 4), layers.Embedding(5, 4)

    def build(self, input_shape):
        for part in (self.encoder, self.decoder):
            part.build(input_shape)
        self.decoder.embeddings = self.encoder.embeddings

    def call(self, tokens):
        return self.encoder(tokens) + self.decoder(tokens)


class Outer(Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Tied(), Tied()]

    def call(self, inputs):
        return self.blocks[1](self.blocks[0](inputs))


MAKERS = {
    "dense": lambda: layers.Dense(3),
    "einsum": lambda: layers.EinsumDense("bi,io->bo", 3, bias_axes="o"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_kernel_tied_in_build_is_one_variable(make, tmp_path):
    tied = Tied(make)
    outputs = tied(X)
    assert tied.b.kernel is tied.a.kernel
    assert list(tied.values()) == ["a.kernel", "a.bias", "b.bias"]
    kernel = np.asarray(tied.a.kernel)
    np.testing.assert_allclose(outputs, X @ kernel @ kernel, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        tied(np.ones((5, 3))), np.ones((5, 3)) @ kernel @ kernel, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(lamina.jit(tied)(X), outputs, rtol=1e-6, atol=1e-6)
    tied.save_weights(tmp_path / "tied.safetensors")
    twin = Tied(make)
    twin.load_weights(tmp_path / "tied.safetensors")
    np.testing.assert_array_equal(twin(X), outputs)
    assert twin.b.kernel is twin.a.kernel
    copied = copy.deepcopy(tied)
    assert copied.b.kernel is copied.a.kernel


@pytest.mark.parametrize("shape", [(None, 3), (4, 3)])
def test_it_is_tied_however_it_is_built(shape):
    tied = Tied()
    assert [v.path for v in tied.plan(shape).variables] == ["a.kernel", "a.bias", "b.bias"]
    tied.build(shape)
    assert len(tied.trainable_variables) == 3
    tied.compile("sgd", "mse")
    tied.fit(X, X, epochs=2, verbose=0)
    assert tied.b.kernel is tied.a.kernel


def test_tied_parts_of_a_larger_model():
    model = Outer()
    model(X)
    assert len(model.weights) == 6
    embedding = TiedEmbedding()
    tokens = np.array([[1, 2]])
    np.testing.assert_allclose(
        embedding(tokens), 2 * embedding.encoder(tokens), rtol=1e-6, atol=1e-6
    )
    assert list(embedding.values()) == ["encoder.embeddings"]
