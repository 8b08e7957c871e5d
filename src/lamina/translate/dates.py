"""Synthetic pairs of written dates in many languages and their ISO 8601 form.

Dates are formatted by Babel with Unicode locale data (CLDR). Only unambiguous formats are used: the
month is a name, or the year comes first. ``03/04/2024`` and two-digit years are excluded. Apart
from the four digits of the year, a formatted date does not depend on the year, so a model can be
tested on days that are not in its training data.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import blake2b
from typing import Literal, TypeVar, get_args

from babel import Locale
from babel.dates import format_date, get_date_format, tokenize_pattern

from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.translate.vocabulary import normalize

__all__ = ["LOCALES", "DatePair", "Form", "forms", "is_unambiguous", "make_pairs", "split_of"]

Numerals = Literal["latn", "arab", "hans"]
Split = Literal["train", "held_out"]
_T = TypeVar("_T")

_STYLES: tuple[Literal["full", "long", "medium", "short"], ...] = (
    "full",
    "long",
    "medium",
    "short",
)
_SKELETONS = ("yMMMd", "yMMMEd", "yMMMEEEEd", "yMMMMd", "yMMMMEd", "yMMMMEEEEd")

# Common formats that are not in CLDR. '#' is the suffix of an ordinal: 9th, 1er, 1º.
_COMMON_PATTERNS: dict[str, tuple[str, ...]] = {
    "en_US": ("MMMM d y", "MMM d y", "MMMM d#, y", "EEEE, MMMM d#, y", "d MMMM y", "y-MM-dd"),
    "en_GB": (
        "EEEE d MMMM y",
        "E d MMM y",
        "d# MMMM y",
        "EEEE, d# MMMM y",
        "d# 'of' MMMM y",
        "'the' d# 'of' MMMM, y",
        "dd-MMM-y",
        "dd MMM y",
    ),
    "zh_CN": (
        "y年M月d日EEE",
        "y年M月d日 EEEE",
        "y年M月d日(EEE)",
        "y年MM月dd日",
        "y年M月d号",
        "y-M-d",
        "y.M.d",
        "y-MM-dd",
    ),
    "zh_TW": ("y年M月d日EEE", "y年M月d日(EEEE)", "y年MM月dd日", "y/MM/dd"),
    "ja_JP": ("y年M月d日(EEE)", "y年M月d日(EEEE)", "y年MM月dd日", "y/M/d", "y/M/d(EEE)", "y.M.d"),
    "ko_KR": ("y년M월d일", "y년 M월 d일 (EEEE)", "y.M.d", "y.MM.dd", "y-MM-dd"),
    "es_ES": (
        "d 'de' MMMM 'del' y",
        "EEEE d 'de' MMMM 'de' y",
        "'el' d 'de' MMMM 'de' y",
        "d# 'de' MMMM 'de' y",
        "d MMMM y",
        "d-MMM-y",
    ),
    "es_MX": ("EEEE d 'de' MMMM 'de' y", "d/MMM/y", "d-MMM-y"),
    "fr_FR": ("d# MMMM y", "EEEE d# MMMM y", "'le' d MMMM y", "'le' EEEE d MMMM y", "dd MMM y"),
    "de_DE": ("dd. MMMM y", "d.MMMM y", "d MMMM y", "EEEE, 'den' d. MMMM y", "y-MM-dd"),
    "it_IT": ("d# MMMM y", "EEEE, d MMMM y", "'il' d MMMM y", "dd MMM y"),
    "pt_BR": ("d# 'de' MMMM 'de' y", "EEEE, d 'de' MMM 'de' y", "d MMMM y"),
    "ru_RU": ("d MMMM y", "d MMMM y 'года'", "EEEE, d MMMM y", "EEEE d MMMM y 'года'", "d MMM y"),
    "ar_EG": ("EEEE d MMMM y", "d MMMM، y", "d MMMM y 'م'"),
    "ar_LB": ("EEEE d MMMM y", "d MMMM، y"),
}
_NUMERALS: dict[str, tuple[Numerals, ...]] = {
    "ar": ("latn", "arab"),
    "ja": ("latn", "hans"),
    "zh": ("latn", "hans"),
}
_ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")  # Babel writes 0-9 in every locale

LOCALES = tuple(_COMMON_PATTERNS)
"""The locales of :func:`make_pairs`."""


@dataclass(frozen=True)
class DatePair:
    """A date formatted in a locale, and the same date as ``YYYY-MM-DD``."""

    text: str
    iso: str
    locale: str


@dataclass(frozen=True)
class Form:
    """A date format.

    Args:
        locale: locale of the month and day names.
        pattern: CLDR date pattern; ``#`` is an ordinal suffix.
        numerals: ``"latn"``, ``"arab"`` or ``"hans"``. Default: ``"latn"``.

    >>> import datetime
    >>> Form("es_ES", "EEEE, d 'de' MMMM 'de' y").write(datetime.date(2024, 1, 9))
    'martes, 9 de enero de 2024'
    """

    locale: str
    pattern: str
    numerals: Numerals = "latn"

    def write(self, day: date) -> str:
        """Format a day; the result is normalized with :func:`normalize`."""
        locale = _locale(self.locale)
        text = format_date(day, self.pattern, locale)
        if "#" in self.pattern:
            text = text.replace("#", _ordinal_suffix(locale.language, day.day))
        if self.numerals == "arab":
            text = text.translate(_ARABIC_INDIC)
        elif self.numerals == "hans":
            text = re.sub(r"\d+", lambda digits: _han(digits.group()), text)
        return normalize(text)


def is_unambiguous(pattern: str) -> bool:
    """Whether dates in a CLDR pattern have only one reading.

    The pattern must contain the full year, the month and the day once each. If the month is a
    number, the order must be year, month, day.

    >>> is_unambiguous("d MMMM y"), is_unambiguous("y/M/d"), is_unambiguous("dd/MM/y")
    (True, True, False)
    """
    widths = [value for kind, value in tokenize_pattern(pattern) if kind == "field"]
    fields = [(letter, width) for letter, width in widths if letter != "E"]
    if sorted(letter for letter, _ in fields) != ["M", "d", "y"] or ("y", 2) in fields:
        return False
    month_is_a_number = ("M", 1) in fields or ("M", 2) in fields
    return not month_is_a_number or [letter for letter, _ in fields] == ["y", "M", "d"]


@cache
def forms(locale: str | None = None) -> tuple[Form, ...]:
    """The date formats of a locale: those of CLDR and other common ones.

    Args:
        locale: one of :data:`LOCALES`. Default: all of them.

    Raises:
        UnknownNameError: ``locale`` is not one of :data:`LOCALES`.
    """
    if locale is None:
        return tuple(form for name in LOCALES for form in forms(name))
    if locale not in _COMMON_PATTERNS:
        raise UnknownNameError(
            explain(
                f"There are no date formats of locale {locale!r}.", remedy=nearest(locale, LOCALES)
            )
        )
    held = _locale(locale)
    # Arabic has no short names, and Babel's skeletons there depend on the locales used before.
    names = () if held.language == "ar" else _SKELETONS
    skeletons = held.datetime_skeletons
    published = [get_date_format(style, held).pattern for style in _STYLES]
    published += [skeletons[name].pattern for name in names if name in skeletons]
    patterns = dict.fromkeys([*filter(is_unambiguous, published), *_COMMON_PATTERNS[locale]])
    numerals = _NUMERALS.get(held.language, ("latn",))
    found = [Form(locale, pattern, digits) for digits in numerals for pattern in patterns]
    # 二〇二四年一月九日, but not 二〇二四/一/九
    return _distinct(form for form in found if form.numerals != "hans" or "日" in form.pattern)


def split_of(day: date) -> Split:
    """The split of a day. A hash assigns 10 % of all days to ``"held_out"``."""
    digest = blake2b(day.isoformat().encode(), digest_size=8).digest()
    return "held_out" if int.from_bytes(digest) % 10 == 0 else "train"


def make_pairs(
    count: int,
    *,
    seed: int,
    years: tuple[int, int] = (1900, 2099),
    split: Split = "train",
    locales: Sequence[str] = LOCALES,
) -> list[DatePair]:
    """Sample pairs. Day, locale and format are uniformly distributed.

    Of all dates, 10 % each are capitalized, in lower case and in upper case. Equal arguments give
    equal pairs. The two splits have no day in common.

    Args:
        count: number of pairs, non-negative. Pairs may repeat.
        seed: random seed, an integer.
        years: first and last year, inclusive, in [1000, 9999]. Default: (1900, 2099).
        split: ``"train"`` or ``"held_out"``. Default: ``"train"``.
        locales: a non-empty selection of :data:`LOCALES`. Default: all.

    Raises:
        InputError: ``count`` is negative, ``years`` are invalid or ``locales`` is empty.
        UnknownNameError: a locale or the split is unknown.
    """
    if split not in get_args(Split):
        remedy = nearest(split, get_args(Split))
        raise UnknownNameError(explain(f"There is no split {split!r}.", remedy=remedy))
    first, last = years
    if count < 0 or not locales or not 1000 <= first <= last <= 9999:
        raise InputError(
            explain(
                "make_pairs received invalid arguments.",
                expected="count >= 0, at least one locale, 1000 <= first year <= last year <= 9999",
                received=f"count={count}, years={years}, locales={tuple(locales)}",
                remedy="Put the earlier year first; omit locales to use all of them.",
            )
        )
    choices, days = [forms(locale) for locale in locales], _days(first, last, split)
    rng = random.Random(seed)
    return [_pair(rng, days, choices) for _ in range(count)]


def _pair(rng: random.Random, days: Sequence[date], choices: Sequence[Sequence[Form]]) -> DatePair:
    day = _pick(rng, days)
    form = _pick(rng, _pick(rng, choices))
    text = _pick(rng, _LETTER_CASES)(form.write(day))
    return DatePair(text, day.isoformat(), form.locale)


def _pick(rng: random.Random, choices: Sequence[_T]) -> _T:
    # Python guarantees the same random() in all versions, but not the same choice().
    return choices[int(rng.random() * len(choices))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_LETTER_CASES: tuple[Callable[[str], str], ...] = (*[str] * 7, _capital, str.lower, str.upper)


def _distinct(found: Iterable[Form]) -> tuple[Form, ...]:
    """Remove formats that repeat an earlier one, as MM and M do in Chinese numerals."""
    probes = [date(2024, month, month) for month in range(1, 13)]
    first: dict[tuple[str, ...], Form] = {}
    for form in found:
        first.setdefault(tuple(map(form.write, probes)), form)
    return tuple(first.values())


@cache
def _days(first: int, last: int, split: Split) -> tuple[date, ...]:
    ordinals = range(date(first, 1, 1).toordinal(), date(last, 12, 31).toordinal() + 1)
    return tuple(day for day in map(date.fromordinal, ordinals) if split_of(day) == split)


@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


def _ordinal_suffix(language: str, day: int) -> str:
    if language == "en":
        return "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    first = {"fr": "er", "es": "º", "it": "º", "pt": "º"}
    return first[language] if day == 1 else ""


def _han(digits: str) -> str:
    """A number in Chinese numerals: 29 as 二十九; years digit by digit, 2024 as 二〇二四."""
    ones = "〇一二三四五六七八九"
    if len(digits) > 2:
        return "".join(ones[int(digit)] for digit in digits)
    tens, rest = divmod(int(digits), 10)
    return (ones[tens] if tens > 1 else "") + "十" * (tens > 0) + (ones[rest] if rest else "")
