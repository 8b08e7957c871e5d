"""Blocks: PyTorch's numbers from the same weights, caches, masks, ways around, errors."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers
from lamina.errors import InputError
from lamina.layers import (
    GRU,
    Dense,
    Dropout,
    Embedding,
    LayerNormalization,
    Residual,
    RotaryEmbedding,
    TransformerDecoderBlock,
    TransformerEncoderBlock,
)
from tests.close import assert_close

torch = pytest.importorskip("torch")  # the oracle of what Keras has no layer for
FEATURES, HEADS, HIDDEN = 8, 2, 10
Make = Callable[..., jax.Array]


def copied(theirs: Any, crossing: bool) -> dict[str, jax.Array]:
    """The weights of a PyTorch layer under the paths of a block."""
    held = {name: value.detach().numpy() for name, value in theirs.named_parameters()}
    size = (FEATURES, HEADS, FEATURES // HEADS)
    found = {}
    attentions = {"self_attention": "self_attn"}
    if crossing:
        attentions["cross_attention"] = "multihead_attn"
    for ours, name in attentions.items():
        kernels = np.split(held[f"{name}.in_proj_weight"], 3)
        biases = np.split(held[f"{name}.in_proj_bias"], 3)
        for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            found[f"{ours}.{part}.kernel"] = kernel.T.reshape(size)
            found[f"{ours}.{part}.bias"] = bias.reshape(size[1:])
        output = held[f"{name}.out_proj.weight"].T.reshape(*size[1:], FEATURES)
        found[f"{ours}.attention_output.kernel"] = output
        found[f"{ours}.attention_output.bias"] = held[f"{name}.out_proj.bias"]
    norms = ["self_attention_norm", *["cross_attention_norm"] * crossing, "output_norm"]
    for number, ours in enumerate(norms, 1):
        found[f"{ours}.gamma"] = held[f"norm{number}.weight"]
        found[f"{ours}.beta"] = held[f"norm{number}.bias"]
    for ours, name in (("intermediate", "linear1"), ("output", "linear2")):
        found[f"{ours}.kernel"] = held[f"{name}.weight"].T
        found[f"{ours}.bias"] = held[f"{name}.bias"]
    return {path: jnp.asarray(value) for path, value in found.items()}


def against_torch(ours: Layer, theirs: Any, inputs: Any, call: Any, given: Any) -> None:
    """Outputs and gradients by inputs agree, from the same weights, drawn anew."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    ours.build(**inputs, **call)
    values = copied(theirs, len(inputs) > 1)
    ours.set_values(values)

    def total(inputs: Any) -> Any:
        outputs, _ = ours.apply(values, **inputs, **call)
        return jnp.sum(jnp.sin(outputs)), outputs

    slopes, outputs = jax.jit(jax.grad(total, has_aux=True))(inputs)
    tensors = [torch.tensor(np.asarray(x), requires_grad=True) for x in inputs.values()]
    expected = theirs(*tensors, **given)
    expected.sin().sum().backward()
    np.testing.assert_allclose(outputs, expected.detach(), rtol=1e-4, atol=1e-5)
    for slope, tensor in zip(slopes.values(), tensors, strict=True):
        np.testing.assert_allclose(slope, tensor.grad, rtol=1e-3, atol=1e-4)


def options(normalize_first: bool, activation: str) -> tuple[Any, Any]:
    ours = {"activation": activation, "normalize_first": normalize_first}
    theirs = {"activation": activation, "norm_first": normalize_first, "dropout": 0.0}
    return ours, theirs | {"batch_first": True}


@pytest.mark.parametrize(("first", "activation"), [(False, "relu"), (True, "gelu")])
def test_the_encoder_block_equals_torch(normal: Make, first, activation) -> None:
    mine, yours = options(first, activation)
    mask = jnp.asarray([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
    against_torch(
        TransformerEncoderBlock(HIDDEN, HEADS, **mine),
        torch.nn.TransformerEncoderLayer(FEATURES, HEADS, HIDDEN, **yours),
        {"inputs": normal(2, 4, FEATURES)},
        {"mask": mask},
        {"src_key_padding_mask": torch.tensor(~np.asarray(mask))},
    )


@pytest.mark.parametrize(("first", "activation"), [(False, "gelu"), (True, "relu")])
def test_the_decoder_block_equals_torch(normal: Make, first, activation) -> None:
    mine, yours = options(first, activation)
    mask = jnp.asarray([[1, 1, 1], [1, 1, 0]], bool)
    against_torch(
        TransformerDecoderBlock(HIDDEN, HEADS, **mine),
        torch.nn.TransformerDecoderLayer(FEATURES, HEADS, HIDDEN, **yours),
        {"inputs": normal(2, 4, FEATURES), "memory": normal(2, 3, FEATURES, seed=1)},
        {"memory_mask": mask},
        {
            "tgt_mask": torch.triu(torch.ones(4, 4), 1).bool(),
            "memory_key_padding_mask": torch.tensor(~np.asarray(mask)),
        },
    )


def in_steps(block: Layer, x: jax.Array, cache: Any, **options: Any) -> jax.Array:
    outputs, step = [], lamina.jit(block)
    for t in range(x.shape[1]):
        output, cache = step(x[:, t : t + 1], cache=cache, **options)
        outputs.append(output)
    return jnp.concatenate(outputs, 1)


@pytest.mark.parametrize("first", [False, True])
def test_the_decoder_block_step_by_step(normal: Make, first) -> None:
    rotary = RotaryEmbedding()
    block = TransformerDecoderBlock(HIDDEN, HEADS, normalize_first=first, rotary=rotary)
    x, memory = normal(2, 5, FEATURES), normal(2, 3, 4, seed=1)
    mask = jnp.asarray([[1, 1, 1], [1, 0, 0]], bool)
    whole = lamina.jit(block)(x, memory, memory_mask=mask)
    cache = block.make_cache(2, room=5, memory=memory)
    parts = in_steps(block, x, cache, memory_mask=mask)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    again = in_steps(block, x, block.make_cache(2, 5), memory=memory, memory_mask=mask)
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=1e-5)


def test_a_decoder_block_without_memory(normal: Make) -> None:
    block, x = TransformerDecoderBlock(HIDDEN, HEADS), normal(2, 5, FEATURES)
    whole = lamina.jit(block)(x)
    assert not any("cross" in path for path in block.values())
    parts = in_steps(block, x, block.make_cache(2, 6))
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    moved = lamina.jit(block)(x.at[:, 3].add(1.0))
    np.testing.assert_allclose(moved[:, :3], whole[:, :3], rtol=1e-4, atol=1e-5)
    open_ended = lamina.jit(block)(x.at[:, 3].add(1.0), use_causal_mask=False)
    assert not np.allclose(open_ended[:, :3], whole[:, :3], atol=1e-3)


def test_dropout_works_while_training_alone(normal: Make) -> None:
    block, x = TransformerEncoderBlock(HIDDEN, HEADS, dropout=0.3), normal(2, 5, FEATURES)
    run = lamina.jit(block)
    still = run(x)
    np.testing.assert_array_equal(run(x), still)
    one, other = (run(x, training=True, rng=seed) for seed in (1, 2))
    assert not np.allclose(one, still) and not np.allclose(one, other)


def test_the_encoder_block_takes_the_mask_of_a_sequential() -> None:
    model = Sequential([Embedding(9, 6, mask_zero=True), TransformerEncoderBlock(HIDDEN, HEADS)])
    run = lamina.jit(model)
    tokens = jnp.asarray([[3, 4, 0, 0]])
    short = lamina.jit(model)(tokens[:, :2])
    np.testing.assert_allclose(run(tokens)[:, :2], short, rtol=1e-4, atol=1e-5)


def test_blocks_in_half_precision(normal: Make) -> None:
    block = TransformerEncoderBlock(HIDDEN, HEADS, dtype="bfloat16")
    y = lamina.jit(block)(normal(2, 4, FEATURES).astype("bfloat16"))
    assert y.dtype == "bfloat16"
    assert {value.dtype.name for value in block.values().values()} == {"bfloat16"}


def test_a_residual_adds_what_goes_in(normal: Make) -> None:
    x = normal(2, 5, 3)
    layer = Residual(Dense(3))
    assert_close(layer(x), x + layer.layer(x), rtol=1e-6)
    inner = Residual(Sequential([LayerNormalization(), Dense(8, "gelu"), Dense(3), Dropout(0.1)]))
    assert inner(x, training=True, rng=0).shape == x.shape
    assert len(inner.values()) == 6


def test_a_residual_hands_a_mask_on(normal: Make) -> None:
    x, mask = normal(2, 5, 3), jnp.asarray([[1, 1, 0, 1, 1], [1, 0, 0, 0, 0]], bool)
    layer = Residual(GRU(3, return_sequences=True))
    assert_close(layer(x, mask), x + layer.layer(x, mask=mask), rtol=1e-6)
    assert layer.compute_mask(x, mask) is mask
    assert Residual(Dense(3))(x, mask).shape == x.shape


def test_a_residual_of_another_shape(normal: Make) -> None:
    with pytest.raises(InputError, match="an inner output"):
        Residual(Dense(1))(normal(2, 3))


@pytest.mark.parametrize("kind", [TransformerEncoderBlock, TransformerDecoderBlock])
@pytest.mark.parametrize(
    ("given", "shape", "text"),
    [
        ({"num_heads": 4}, (2, 5, 6), "num_heads"),
        ({"num_heads": 0}, (2, 5, 6), "num_heads"),
        ({"intermediate_dim": -1}, (2, 5, 6), "intermediate_dim"),
        ({"dropout": 1.5}, (2, 5, 6), "rate"),
        ({"layer_norm_epsilon": -1.0}, (2, 5, 6), "epsilon"),
        ({}, (2, 6), "batch, time, features"),
        ({}, (2, 5, 5, 6), "batch, time, features"),
    ],
)
def test_bad_input_of_blocks(kind, given, shape, text) -> None:
    with pytest.raises(InputError, match=text):
        kind(**{"intermediate_dim": HIDDEN, "num_heads": HEADS, **given})(jnp.ones(shape))


def test_a_memory_that_was_not_there_or_is_missing(normal: Make) -> None:
    x, memory = normal(2, 5, FEATURES), normal(2, 3, 4)
    alone, crossing = (TransformerDecoderBlock(HIDDEN, HEADS) for _ in range(2))
    with pytest.raises(InputError, match="a built block"):
        alone.make_cache(2, 5)
    alone(x)
    crossing(x, memory)
    with pytest.raises(InputError, match="built with a memory"):
        alone(x, memory)
    with pytest.raises(InputError, match="built with a memory"):
        alone.make_cache(2, 5, memory)
    with pytest.raises(InputError, match="no value to attend to"):
        crossing(x)
    with pytest.raises(InputError, match="a value mask"):
        crossing(x, memory, memory_mask=jnp.ones((2, 5), bool))


def test_what_is_wrapped_is_a_layer() -> None:
    for wrapper in (layers.Residual, layers.SpectralNormalization, layers.TimeDistributed):
        with pytest.raises(InputError, match="wraps a layer"):
            wrapper(jnp.tanh)
