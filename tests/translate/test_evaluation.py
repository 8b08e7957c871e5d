"""Judging: BLEU and chrF as sacrebleu has them, and the loss as the model has it."""

import math

import numpy as np
import pytest
import sacrebleu

import lamina
from lamina.seq2seq import Seq2Seq
from lamina.translate.evaluation import Evaluator, tokenizer_for
from lamina.translate.pairs import Pair
from lamina.translate.subwords import Subwords
from lamina.translate.translator import Translator
from tests.translate.toy import PAIRS

SOME = [Pair(*pair) for pair in PAIRS[::9]]


@pytest.fixture(scope="module")
def translator() -> Translator:
    """It has learnt nothing, and writes nonsense."""
    lamina.set_seed(3)
    source, target = (Subwords.learn(texts, 60, "words") for texts in zip(*PAIRS, strict=True))
    model = Seq2Seq(len(source), len(target), embedding=8, units=8)
    model.build((None, 8), (None, 9))
    return Translator(model, source, target, 8, 9, divides=True)


def test_as_sacrebleu_says(translator) -> None:
    found = Evaluator(SOME)(translator)
    texts = [one.text for one in found.translations]
    references = [[pair.target for pair in SOME]]
    assert found.bleu == sacrebleu.corpus_bleu(texts, references).score
    assert found.chrf == sacrebleu.corpus_chrf(texts, references).score
    assert "tok:13a" in found.bleu_signature


def test_small_letters(translator) -> None:
    shouting = [Pair(source, target.upper()) for source, target in SOME]
    found, cased = Evaluator(shouting, lowercase=True)(translator), Evaluator(shouting)(translator)
    assert "case:lc" in found.bleu_signature
    assert found.chrf == Evaluator(SOME, lowercase=True)(translator).chrf
    assert found.chrf > cased.chrf


def test_loss_is_the_mean_over_ids(translator) -> None:
    read, write = translator.source.encode, translator.target.encode
    rows = [(read([pair.source]), write([pair.target], start=True, end=True)) for pair in SOME]
    total = sum(float(translator.score(*row)[0]) for row in rows)
    count = sum(target.size - 1 for _, target in rows)
    np.testing.assert_allclose(Evaluator(SOME).loss(translator), -total / count, rtol=1e-5)
    assert math.isclose(-total / count, math.log(len(translator.target)), rel_tol=0.1)


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("Guten Tag!", "13a"),
        ("Привет, мир", "13a"),
        ("你好，世界", "zh"),
        ("こんにちは世界", "char"),
        ("สวัสดี", "char"),
        ("123 ...", "13a"),
        ("", "13a"),
    ],
)
def test_words_are_parted_by_script(text, way) -> None:
    assert tokenizer_for([text]) == way
