"""Sizes of batches: few, known in advance, and without an effect on the translations."""

import dataclasses

import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.seq2seq import Seq2Seq
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Vocabulary

LETTERS = Vocabulary(tuple("abcdefghij ."))


@pytest.fixture(scope="module")
def translator() -> Translator:
    lamina.set_seed(0)
    model = Seq2Seq(len(LETTERS), len(LETTERS), embedding=4, units=4)
    model.build((None, 8), (None, 8))
    values = model.values()  # at near ties rounding would choose the text
    model.set_values({**values, "decoder.output.kernel": 30 * values["decoder.output.kernel"]})
    return Translator(model, LETTERS, LETTERS, 20, 12, divides=True)


def texts(count: int, longest: int) -> list[str]:
    rng = np.random.default_rng(count)
    lengths = rng.integers(0, longest + 1, count)
    return ["".join(rng.choice(list("abcdefghij "), length)) for length in lengths]


@pytest.mark.parametrize(
    ("batch", "rows"),
    [(1, [1]), (2, [1, 2]), (4, [1, 4]), (8, [1, 2, 8]), (16, [1, 4, 16]), (31, [1, 4, 16])],
)
@pytest.mark.parametrize(
    ("length", "widths"), [(1, [1]), (10, [10]), (16, [16]), (17, [16, 17]), (70, [16, 32, 64, 70])]
)
def test_sizes(translator, batch, rows, length, widths) -> None:
    found = dataclasses.replace(translator, source_length=length).sizes(batch)
    assert found == [(row, width) for width in widths for row in rows]


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_the_model_runs_in_these_sizes_alone(translator, batch, monkeypatch) -> None:
    used = set()
    decode = Translator._decode

    def seen(self, ids, beam):
        used.add(ids.shape)
        return decode(self, ids, beam)

    monkeypatch.setattr(Translator, "_decode", seen)
    for count in (1, 2, 5, 16, 40):
        translator.translate(texts(count, 130), batch=batch)
    assert used <= set(translator.sizes(batch))
    used.clear()
    for size in translator.sizes(batch):
        translator.prepare(size)
    assert used == set(translator.sizes(batch))


def test_the_size_of_a_batch_changes_no_translation(translator) -> None:
    some = texts(20, 60)
    expected = translator.translate(some)
    for batch in (1, 4, 16):
        found = translator.translate(some, batch=batch)
        assert [one.source_tokens for one in found] == [one.source_tokens for one in expected]
        assert [one.text for one in found] == [one.text for one in expected]
        np.testing.assert_allclose(
            [one.log_probability for one in found],
            [one.log_probability for one in expected],
            rtol=1e-4,
        )


def test_texts_are_checked_alone(translator) -> None:
    translator.check("a" * 400)
    undivided = dataclasses.replace(translator, source_length=40, divides=False)
    undivided.check("a" * 40)
    with pytest.raises(InputError, match="too long to translate"):
        undivided.check("a" * 41)
