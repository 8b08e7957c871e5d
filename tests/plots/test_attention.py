from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.plots import draw_attention
from tests.plots.pictures import pixels

TEXTS = ["2024年1月9日星期二", "الثلاثاء، ٩ يناير ٢٠٢٤", "9 января 2024 г.", "2024년 1월 9일"]


def example(text: str) -> tuple[str, str, np.ndarray]:
    weights = np.random.default_rng(0).random((11, len(text) + 1))
    return text, "2024-01-09", weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("fonts", [None, ["DejaVu Sans"], ["No Such Font"]])
def test_attention_without_boxes(fonts: list[str] | None, tmp_path: Path) -> None:
    path = tmp_path / "attention.png"
    draw_attention([example(text) for text in TEXTS], path, fonts=fonts)
    picture = pixels(path)
    height, width, _ = picture.shape
    assert 1200 < width <= 14.5 * 150
    assert 600 < height < 1500
    assert (picture < 0.5).any()


def test_the_darkest_cell_is_the_character_looked_at(tmp_path: Path) -> None:
    weights = np.zeros((2, 4))
    weights[0, 3] = weights[1, 0] = 1
    draw_attention([("abcd", "xy", weights)], tmp_path / "attention.png")
    picture = pixels(tmp_path / "attention.png")
    rows, columns = np.nonzero(
        np.abs(picture - (0x0C / 255, 0x24 / 255, 0x48 / 255)).max(-1) < 0.01
    )
    panel = rows > 0.8 * 150  # below the head with its scale
    top, bottom = rows[panel].min(), rows[panel].max()
    upper = columns[panel & (rows < (top + bottom) / 2)]
    lower = columns[panel & (rows > (top + bottom) / 2)]
    assert upper.min() - lower.min() == pytest.approx(3 * 0.2 * 150, abs=2)


def test_odd_characters_are_drawn_too(tmp_path: Path) -> None:
    text = "W\t\u0301\u064e\ue000\U0010fffd$\\_^{}<&\u4e00 "
    draw_attention([example(text)], tmp_path / "attention.png")
    pixels(tmp_path / "attention.png")


def test_attention_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "attention.png"
    with pytest.raises(InputError, match="no examples to plot"):
        draw_attention([], path)
    bad = [("abc", "x", np.ones((1, 2))), ("abc", "xy", np.ones((1, 3))), ("abc", "x", np.ones(3))]
    bad += [("", "x", np.ones((1, 1))), ("a", "x", np.full((1, 1), np.nan))]
    for panel in bad:
        with pytest.raises(InputError, match="cannot be plotted"):
            draw_attention([panel], path)
    assert not path.exists()


def labels(axes) -> tuple[list[str], list[str]]:
    return (
        [one.get_text() for one in axes.get_xticklabels()],
        [one.get_text() for one in axes.get_yticklabels()],
    )


def test_each_head_is_a_panel(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((3, 2, 4))
    path = tmp_path / "attention.svg"
    figure = lamina.plot_attention(weights, ["the", "$cat$", "sat"], "ab", path)
    *panels, _ = figure.axes
    assert len(panels) == 3 and path.read_bytes().startswith(b"<?xml")
    for panel, one in zip(panels, weights, strict=True):
        assert labels(panel) == (["the", "$cat$", "sat"], ["a", "b"])
        np.testing.assert_allclose(panel.collections[0].get_array(), one[:, :3])
    assert [text.get_text() for text in figure.texts[:3]] == ["head 1", "head 2", "head 3"]


def test_each_example_of_a_batch_has_its_texts() -> None:
    weights = np.random.default_rng(0).random((2, 2, 3, 3))
    figure = lamina.plot_attention(weights, ["abc", ["d", "e"]], ["x", "yz"])
    *panels, _ = figure.axes
    assert [labels(panel) for panel in panels] == [
        (["a", "b", "c"], ["x"]),
        (["a", "b", "c"], ["x"]),
        (["d", "e"], ["y", "z"]),
        (["d", "e"], ["y", "z"]),
    ]
    assert figure.texts[3].get_text() == "example 2, head 2"


@pytest.mark.parametrize(
    ("shape", "source", "target"),
    [
        ((3,), "abc", "x"),
        ((1, 1, 1, 1, 1), "a", "b"),
        ((2, 1, 1, 1), ["a"], ["b"]),
        ((1, 1, 1, 1), "a", "b"),
        ((2, 1, 2), "abc", "x"),
    ],
)
def test_weights_that_do_not_fit(shape, source, target) -> None:
    with pytest.raises(InputError):
        lamina.plot_attention(np.ones(shape), source, target)


def test_parts_of_words_have_a_dot_where_beginnings_are_marked() -> None:
    weights = np.ones((2, 3)) / 3
    figure = lamina.plot_attention(weights, ["\u2581ab", "cd", "."], ["one", "two"])
    assert labels(figure.axes[0]) == (["ab", "\u00b7cd", "."], ["one", "two"])


def test_scripts_are_drawn_with_the_fonts_of_packages(tmp_path: Path) -> None:
    tokens = ["注意力", "変換器", "한국어", "हिन्दी", "ไทย", "العربية", "עברית", "a漢한"]
    figure = lamina.plot_attention(np.eye(8), tokens, tokens, tmp_path / "attention.pdf")
    assert labels(figure.axes[0]) == (tokens, tokens)
    assert (tmp_path / "attention.pdf").read_bytes().startswith(b"%PDF")
