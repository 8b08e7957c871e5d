"""Standardizing and splitting of text."""

import string

import pytest

from lamina.ops.text import ngrams, split, standardize


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("lower", "don't stop, É!"),
        ("strip_punctuation", "DonT STOP É"),
        ("lower_and_strip_punctuation", "dont stop É"),
    ],
)
def test_standardize(how, expected):
    """As in TensorFlow, letters and punctuation that are not ASCII stay."""
    assert standardize("Don'T STOP, É!", how).lower() == expected.lower()
    assert standardize("É", how) == "É"
    assert standardize(string.punctuation, "strip_punctuation") == ""


def test_split():
    assert split("\ta  b\n", "whitespace") == ["a", "b"]
    assert split("a\u00a0b", "whitespace") == ["a\u00a0b"]
    assert split("", "whitespace") == split("", "character") == []
    assert split("né 字", "character") == ["n", "é", " ", "字"]


def test_ngrams():
    assert ngrams(["a", "b", "c"], (2,)) == ["a b", "b c"]
    assert ngrams(["a", "b"], (2, 1)) == ["a b", "a", "b"]
    assert ngrams(["a"], (2, 3)) == []
