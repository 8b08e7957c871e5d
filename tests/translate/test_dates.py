import datetime
import re
import subprocess
import sys

import pytest

from lamina.errors import InputError, UnknownNameError
from lamina.translate.dates import LOCALES, Form, forms, is_unambiguous, make_pairs, split_of
from lamina.translate.vocabulary import normalize

DAY = datetime.date(2024, 1, 9)
CALENDAR = [
    datetime.date(2000, 1, 1) + datetime.timedelta(days=offset)
    for offset in range(28 * 365 + 7)  # the calendar repeats every 28 years
]


def test_the_languages() -> None:
    assert {"en", "zh", "ja", "es", "fr", "de", "ru", "ar"} <= {name[:2] for name in LOCALES}


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("zh_CN", "2024年1月9日星期二"),
        ("zh_CN", "二〇二四年一月九日"),
        ("zh_TW", "2024年1月9日 週二"),
        ("ja_JP", "2024年1月9日(火)"),
        ("ko_KR", "2024년 1월 9일 화요일"),
        ("en_GB", "Tuesday, 9 January 2024"),
        ("en_GB", "9th of January 2024"),
        ("en_US", "January 9, 2024"),
        ("en_US", "Tue, Jan 9, 2024"),
        ("es_ES", "9 de enero de 2024"),
        ("es_MX", "9/ene/2024"),
        ("fr_FR", "9 janvier 2024"),
        ("fr_FR", "mar. 9 janv. 2024"),
        ("de_DE", "9. Januar 2024"),
        ("it_IT", "martedì 9 gennaio 2024"),
        ("pt_BR", "terça-feira, 9 de janeiro de 2024"),
        ("ru_RU", "9 января 2024 г."),
        ("ar_EG", "الثلاثاء، 9 يناير 2024"),
        ("ar_EG", "٩ يناير ٢٠٢٤"),
        ("ar_LB", "9 كانون الثاني 2024"),
    ],
)
def test_dates_that_people_write(locale: str, text: str) -> None:
    assert text in [form.write(DAY) for form in forms(locale)]


@pytest.mark.parametrize(
    ("pattern", "day", "text"),
    [
        ("d# MMMM y", 1, "1st"),
        ("d# MMMM y", 2, "2nd"),
        ("d# MMMM y", 11, "11th"),
        ("d# MMMM y", 13, "13th"),
        ("d# MMMM y", 23, "23rd"),
        ("d# MMMM y", 30, "30th"),
    ],
)
def test_english_ordinals(pattern: str, day: int, text: str) -> None:
    written = Form("en_GB", pattern).write(datetime.date(2024, 1, day))
    assert written == f"{text} January 2024"


@pytest.mark.parametrize(
    ("month", "day", "text"),
    [
        (1, 1, "一月一日"),
        (10, 10, "十月十日"),
        (11, 20, "十一月二十日"),
        (12, 31, "十二月三十一日"),
    ],
)
def test_chinese_numerals(month: int, day: int, text: str) -> None:
    form = Form("zh_CN", "y年M月d日", "hans")
    assert form.write(datetime.date(2007, month, day)) == f"二〇〇七年{text}"


@pytest.mark.parametrize("pattern", ["dd/MM/y", "M/d/yy", "d MMM yy", "dd.MM.y", "MMMM y", "y/d/M"])
def test_patterns_that_can_be_misread(pattern: str) -> None:
    assert not is_unambiguous(pattern)


def test_no_form_can_be_misread() -> None:
    assert all(is_unambiguous(form.pattern) for form in forms())


def test_no_text_stands_for_two_dates() -> None:
    """Tried on every combination of month, day and weekday, whatever the letter case.

    Each text holds one run of four digits, its year. Equal texts therefore have equal years, and
    a text with its year taken out must stand for one month and day in all forms together.
    """
    with_weekday = {(day.month, day.day, day.weekday()): day for day in CALENDAR}
    without_weekday = {(day.month, day.day): day for day in CALENDAR}
    assert (len(with_weekday), len(without_weekday)) == (366 * 7, 366)
    four_digits = re.compile(r"[0-9]{4}|[٠-٩]{4}|[〇一二三四五六七八九]{4}")
    meaning: dict[str, tuple[int, int]] = {}
    for form in forms():
        for day in (with_weekday if "E" in form.pattern else without_weekday).values():
            text, years = four_digits.subn("Y", form.write(day).casefold())
            assert years == 1, text
            assert meaning.setdefault(text, (day.month, day.day)) == (day.month, day.day), text


def test_the_year_changes_nothing_but_itself() -> None:
    years = (1907, 1963, 2030)  # the first of October is a Tuesday in all three
    for form in forms():
        alone = Form(form.locale, "y", form.numerals)
        days = [datetime.date(year, 10, 1) for year in years]
        assert len({form.write(day).replace(alone.write(day), "Y") for day in days}) == 1


def test_names_do_not_depend_on_the_locales_used_before() -> None:
    program = (
        "import datetime; from lamina.translate.dates import LOCALES, forms\n"
        "texts = {n: [f.write(datetime.date(2024, m, m)) for f in forms(n) for m in range(1, 13)]"
        " for n in reversed(LOCALES)}\n"
        "print(ascii([texts[name] for name in LOCALES]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    days = [datetime.date(2024, month, month) for month in range(1, 13)]
    here = [[form.write(day) for form in forms(name) for day in days] for name in LOCALES]
    assert run.stdout.strip() == ascii(here)


def test_pairs_follow_from_the_seed() -> None:
    assert make_pairs(200, seed=3) == make_pairs(200, seed=3)
    assert make_pairs(200, seed=3)[:50] == make_pairs(50, seed=3)
    assert make_pairs(200, seed=3) != make_pairs(200, seed=4)
    first = make_pairs(1, seed=0)[0]
    assert (first.text, first.iso) == ("seg., 17 de dez. de 2068", "2068-12-17")


def test_pairs_are_normal_text_of_bounded_length() -> None:
    pairs = make_pairs(5_000, seed=0)
    assert {pair.locale for pair in pairs} == set(LOCALES)
    assert all(normalize(pair.text) == pair.text for pair in pairs)
    assert all(datetime.date.fromisoformat(pair.iso).isoformat() == pair.iso for pair in pairs)
    assert max(len(pair.text) for pair in pairs) <= 40


def test_splits_share_no_day() -> None:
    train = {pair.iso for pair in make_pairs(5_000, seed=0)}
    held_out = {pair.iso for pair in make_pairs(1_000, seed=0, split="held_out")}
    assert not train & held_out
    assert split_of(DAY) == "train"
    share = sum(split_of(day) == "held_out" for day in CALENDAR) / len(CALENDAR)
    assert 0.09 < share < 0.11


def test_years_and_locales_can_be_chosen() -> None:
    pairs = make_pairs(300, seed=0, years=(2023, 2024), locales=["de_DE", "ru_RU"])
    assert {pair.iso[:4] for pair in pairs} == {"2023", "2024"}
    assert {pair.locale for pair in pairs} == {"de_DE", "ru_RU"}
    assert make_pairs(0, seed=0) == []


def test_bad_requests() -> None:
    with pytest.raises(InputError, match="count=-1"):
        make_pairs(-1, seed=0)
    with pytest.raises(InputError, match="earlier year first"):
        make_pairs(1, seed=0, years=(2024, 2023))
    with pytest.raises(InputError, match="at least one locale"):
        make_pairs(1, seed=0, locales=[])
    with pytest.raises(UnknownNameError, match="de_DE"):
        make_pairs(1, seed=0, locales=["de_CH"])
    with pytest.raises(UnknownNameError, match="held_out"):
        make_pairs(1, seed=0, split="heldout")  # pyright: ignore[reportArgumentType]
