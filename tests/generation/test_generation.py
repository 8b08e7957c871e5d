"""`generate` returns the tokens of the plain loop, incrementally where the model allows it."""

import copy
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers
from lamina.errors import InputError
from tests.generation.models import (
    FEATURES,
    PROMPTS,
    VOCABULARY,
    WIDE,
    Block,
    Decoder,
    OwnPositions,
    built,
    decoder,
    next_logits,
    plain_loop,
)

IDS = lamina.Spec((None, None), "int32")


def grouped(**options):
    return Block(layers.GroupedQueryAttention(8, 4, 2, **options))


def functional():
    ids = lamina.Input((None,), dtype="int32")
    x = layers.Embedding(VOCABULARY, FEATURES, WIDE)(ids)
    x = layers.TransformerDecoderBlock(16, 2, rotary=layers.RotaryEmbedding())(x)
    return lamina.Model(ids, layers.Dense(VOCABULARY)(x))


def sequential():
    block = layers.TransformerDecoderBlock(16, 2, normalize_first=True)
    table = layers.Embedding(VOCABULARY, FEATURES, WIDE)
    return Sequential([table, block, layers.Dense(VOCABULARY)])


@pytest.fixture(scope="module")
def model():
    """A model for all tests that do not change it.

    They share its programs: a program is for one number of prompts, width and number of stop ids.
    """
    return decoder(Block())


class Broadcast(Decoder):
    """A language model with positions for each row."""

    def call(self, ids):
        positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
        x = self.tokens(ids) + self.positions(positions)
        for block in self.blocks:
            x = block(x)
        return self.logits(x)


INCREMENTAL = {
    "a list of blocks": lambda: built(Broadcast([Block(), lamina.checkpoint(Block())])),
    "stacked blocks": lambda: decoder(layers.Stack(Block, 2)),
    "one grouped block called twice": lambda: decoder(
        *[grouped(rotary=layers.RotaryEmbedding(), use_gate=True, sliding_window=4)] * 2,
        positions=0,
    ),
    "functional": lambda: built(functional()),
    "sequential": lambda: built(sequential()),
    "no attention and not built": lambda: Decoder([layers.Dense(FEATURES, "relu")]),
}


@pytest.mark.parametrize("make", INCREMENTAL.values(), ids=INCREMENTAL)
def test_the_tokens_are_those_of_the_plain_loop(make):
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lamina.generate(model, PROMPTS, 12)
    for prompt, tokens in zip(PROMPTS, found, strict=True):
        assert tokens.tolist() == plain_loop(model, prompt, 12)


class Recurrent(Sequential):
    def __init__(self):
        table = layers.Embedding(VOCABULARY, FEATURES, WIDE)
        memory = layers.GRU(FEATURES, return_sequences=True)
        super().__init__([table, memory, layers.Dense(VOCABULARY)])


class Convolving(Sequential):
    def __init__(self, padding="causal"):
        table = layers.Embedding(VOCABULARY, FEATURES, WIDE)
        convolution = layers.Conv1D(FEATURES, 3, padding=padding, dilation_rate=2)
        super().__init__([table, convolution, layers.Dense(VOCABULARY)])


class Masked(Block):
    def call(self, x):
        return self.attention(x, x, attention_mask=jnp.tri(x.shape[1], dtype=bool))


class Cumulative(Layer):
    def call(self, x):
        return x + jnp.cumsum(x, 1) / (1 + jnp.arange(x.shape[1]))[:, None]


class InScan(Block):
    def call(self, x):
        return jax.lax.scan(lambda h, _: (Block.call(self, h), None), x, None, length=2)[0]


RECOMPUTING = {
    "recurrent": lambda: built(Recurrent()),
    "convolution": lambda: built(Convolving()),
    "attention mask": lambda: decoder(Masked()),
    "cumulative sum": lambda: decoder(Cumulative()),
    "attention in a scan": lambda: decoder(InScan()),
}


@pytest.mark.parametrize("make", RECOMPUTING.values(), ids=RECOMPUTING)
def test_other_models_are_recomputed_with_a_warning(make):
    model = make()
    with pytest.warns(UserWarning, match="generates slowly"):
        found = lamina.generate(model, PROMPTS, 9)
    for prompt, tokens in zip(PROMPTS, found, strict=True):
        assert tokens.tolist() == plain_loop(model, prompt, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once for each model
        assert lamina.generate(model, PROMPTS, 9)[0].tolist() == found[0].tolist()


def test_positions_of_its_own_are_noticed_while_they_are_zero():
    model = built(OwnPositions([Block()], positions=21))
    values = model.values()
    table = values["positions.embeddings"]
    model.set_values(values | {"positions.embeddings": np.zeros(table.shape, "float32")})
    with pytest.warns(UserWarning, match="generates slowly"):
        lamina.generate(model, PROMPTS, 11)
    model.set_values(values)
    found = lamina.generate(model, PROMPTS, 11)  # uses the whole table
    for prompt, tokens in zip(PROMPTS, found, strict=True):
        assert tokens.tolist() == plain_loop(model, prompt, 11, total=21)


class Bidirectional(Block):
    def call(self, x):
        return x + self.attention(x, x)


class Mean(Layer):
    def call(self, x):
        return x + x.mean(1, keepdims=True)


READS_LATER = {
    "attention": lambda: decoder(Bidirectional()),
    "mean": lambda: decoder(Mean()),
    "convolution": lambda: built(Convolving("same")),
}


@pytest.mark.parametrize("make", READS_LATER.values(), ids=READS_LATER)
def test_a_model_that_reads_later_positions_is_refused(make):
    with pytest.raises(InputError, match="depend on later positions"):
        lamina.generate(make(), [[1, 2]], 4)


@pytest.mark.filterwarnings("error")  # of recomputing
def test_a_long_cache_is_read_in_part():
    model = decoder(Block(), positions=400)
    prompt = np.random.default_rng(0).integers(0, VOCABULARY, 120).tolist()
    found = lamina.generate(model, [[7], prompt], 20, max_length=300)  # passes slot 128
    for row, tokens in zip([[7], prompt], found, strict=True):
        assert tokens.tolist() == plain_loop(model, row, 20, total=140)


def test_programs_are_shared_by_lengths(model):
    for length, new in ((9, 16), (5, 9), (2, 12)):
        lamina.generate(model, [list(range(1, length + 1))], new, pad_id=1)
    *_, compiled = model._lamina.generation._compiled.values()  # those with this id of padding
    assert compiled.begin._cache_size() == compiled.advance._cache_size() == 1
    for length, new in ((5, 9), (39, 20)):
        lamina.generate(model, [list(range(1, length + 1))], new, pad_id=1, max_length=64)
    assert compiled.advance._cache_size() == 2


def test_new_weights_and_new_layers_take_effect():
    model = decoder(layers.Dense(FEATURES))
    first = lamina.generate(model, PROMPTS, 6)
    other = built(Decoder([layers.Dense(FEATURES)]), seed=9)
    model.set_values(other.values())
    assert lamina.generate(model, PROMPTS, 6)[0].tolist() == plain_loop(model, PROMPTS[0], 6)
    assert lamina.generate(model, PROMPTS, 6)[0].tolist() != first[0].tolist()
    model.blocks.append(layers.Dense(FEATURES))
    assert lamina.generate(model, PROMPTS, 6)[0].tolist() == plain_loop(model, PROMPTS[0], 6)


def test_a_sequence_ends_with_its_stop_id(model):
    whole = [plain_loop(model, prompt, 12) for prompt in PROMPTS]
    stop = {whole[0][3], whole[1][1]}
    found = lamina.generate(model, PROMPTS, 12, stop=sorted(stop))
    expected = [plain_loop(model, prompt, 12, stop) for prompt in PROMPTS]
    assert [tokens.tolist() for tokens in found] == expected
    assert min(map(len, expected)) < 12


def test_the_loop_ends_when_all_sequences_have_ended(model):
    stop = plain_loop(model, PROMPTS[0], 4)[-2:]
    found = list(lamina.generate(model, PROMPTS[:1] * 3, 12, stop=stop, stream=True))
    assert len(found) == len(plain_loop(model, PROMPTS[0], 12, stop)) < 12


def test_a_stream_gives_the_tokens_of_each_step(model):
    stop = [plain_loop(model, PROMPTS[1], 3)[-1], 38]
    stream = lamina.generate(model, PROMPTS, 12, stop=stop, pad_id=39, stream=True)
    steps = np.stack(list(stream), 1)
    for row, tokens in zip(steps, lamina.generate(model, PROMPTS, 12, stop=stop), strict=True):
        assert row.tolist() == tokens.tolist() + [39] * (len(row) - len(tokens))


def test_prompts_may_be_a_padded_array(model):
    ids, mask = np.full((3, 10), 9), np.zeros((3, 10), bool)
    for row, start, prompt in zip(range(3), (0, 9, 4), PROMPTS, strict=True):
        ids[row, start : start + len(prompt)] = prompt
        mask[row, start : start + len(prompt)] = True
    found = lamina.generate(model, ids, 12, mask=mask)
    expected = lamina.generate(model, PROMPTS, 12)
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]


def test_repetition_is_penalized_as_in_a_plain_loop(model):
    def penalized(prompt):
        ids = list(prompt)
        for _ in range(10):
            logits = next_logits(model, ids)
            seen = np.unique(ids)
            logits[seen] = np.where(logits[seen] > 0, logits[seen] / 1.5, logits[seen] * 1.5)
            ids.append(int(logits.argmax()))
        return ids[len(prompt) :]

    found = lamina.generate(model, PROMPTS, 10, repetition_penalty=1.5)
    assert [one.tolist() for one in found] == [penalized(prompt) for prompt in PROMPTS]


def test_half_precision_agrees_with_its_own_whole_call():
    model = Decoder([Block(layers.MultiHeadAttention(2, 8, dtype="mixed_bfloat16"))])
    built(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (tokens,) = lamina.generate(model, [PROMPTS[0]], 6)
    assert len(tokens) == 6
    assert all(0 <= token < VOCABULARY for token in tokens)


def test_sampling_depends_on_the_key_alone(model):
    one, again, other = (
        np.stack(lamina.generate(model, PROMPTS[:1] * 3, 16, temperature=2.0, rng=seed))
        for seed in (0, jax.random.key(0), 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert len({row.tobytes() for row in one}) > 1  # rows have random numbers of their own


def test_top_k_of_one_is_greedy(model):
    found = lamina.generate(model, PROMPTS, 12, top_k=1, temperature=3.0, rng=0)
    assert found[0].tolist() == plain_loop(model, PROMPTS[0], 12)


def test_positions_behind_the_table_are_an_error():
    model = decoder(layers.Dense(FEATURES), positions=12)
    assert len(lamina.generate(model, [[1], [1, 2, 3]], 10)[1]) == 10
    with pytest.raises(InputError, match="new token 11 of prompt 1 are NaN"):
        lamina.generate(model, [[1], [1, 2, 3]], 11)
    with pytest.raises(InputError, match="are NaN"):
        lamina.generate(model, [[1, 2, VOCABULARY]], 2, num_beams=2)


BAD = {
    "max_new_tokens": 0,
    "num_beams": 0,
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.5,
    "repetition_penalty": -1.0,
    "length_penalty": float("nan"),
    "stop": [-1],
    "pad_id": -1,
    "max_length": 2,
}


@pytest.mark.parametrize("name", BAD)
def test_options_out_of_range_are_refused(model, name):
    with pytest.raises(InputError, match=name):
        lamina.generate(model, [[1, 2, 3]], **{"rng": 0, name: BAD[name]})


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 2, "top_k": 3, "rng": 0},
        {"num_beams": 2, "stream": True},
        {"temperature": 1.0},
    ],
)
def test_options_that_exclude_each_other_are_refused(model, options):
    with pytest.raises(InputError, match="with these arguments"):
        lamina.generate(model, [[1, 2, 3]], **options)


@pytest.mark.parametrize("prompts", [[], [[]], [[1.5]], 3, "text", [[-1]], [[[1]]]])
def test_prompts_that_are_no_ids_are_refused(model, prompts):
    with pytest.raises(InputError, match="after these prompts"):
        lamina.generate(model, prompts)


def test_a_model_without_logits_is_refused():
    class Pooled(Decoder):
        def call(self, ids):
            return super().call(ids)[:, 0]

    with pytest.raises(InputError, match="not a model of token ids"):
        lamina.generate(Pooled([Block()]), [[1, 2]])
    with pytest.raises(InputError, match="layer as the model"):
        lamina.generate(lambda ids: ids, [[1, 2]])


def test_copies_and_files_hold_no_programs():
    model = decoder(layers.Dense(FEATURES))
    lamina.generate(model, PROMPTS, 4)
    twin = copy.deepcopy(model)
    assert not hasattr(twin._lamina, "generation")
    assert lamina.generate(twin, PROMPTS, 4)[0].tolist() == plain_loop(model, PROMPTS[0], 4)
