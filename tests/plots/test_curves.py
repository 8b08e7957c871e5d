import struct
import warnings
import zlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.image import imread

from lamina.errors import InputError
from lamina.plots import draw_attention, plot_history
from lamina.plots.fonts import families_for, installed_fonts
from lamina.translate.dates import make_pairs

TEXTS = ["2024年1月9日星期二", "الثلاثاء، ٩ يناير ٢٠٢٤", "9 января 2024 г.", "2024년 1월 9일"]
HISTORY = {
    "loss": [2.3, 0.9, 0.3, 0.1, 0.02],
    "accuracy": [0.2, 0.6, 0.9, 0.97, 0.99],
    "val_loss": [2.0, 0.8, 0.3, 0.15, 0.05],
    "val_accuracy": [0.3, 0.6, 0.88, 0.95, 0.98],
}


@pytest.fixture(autouse=True)
def no_missing_glyph():
    """matplotlib warns where a font lacks a glyph and a box is drawn instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def pixels(path: Path) -> np.ndarray:
    """The picture's colours, after a check that every chunk of the PNG file is whole."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kind = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        at += 12 + length
    assert kind == b"IEND"
    return imread(path)[..., :3]


def example(text: str) -> tuple[str, str, np.ndarray]:
    weights = np.random.default_rng(0).random((11, len(text) + 1))
    return text, "2024-01-09", weights / weights.sum(-1, keepdims=True)


def test_training_curves(tmp_path: Path) -> None:
    plot_history(HISTORY, tmp_path / "training.png")
    picture = pixels(tmp_path / "training.png")
    assert picture.shape == (585, 1680, 3)
    for color in ("#1f5fa8", "#e07b39"):  # training and validation, in both panels
        hit = np.abs(picture - matplotlib.colors.to_rgb(color)).max(-1) < 0.01
        assert hit[:, :840].any() and hit[:, 840:].any()


@pytest.mark.parametrize(
    ("history", "panels"),
    [
        ({"loss": [1.0]}, 1),
        ({"loss": [1.0, 0.0, -1.0], "val_loss": [0.5]}, 1),
        ({"loss": [float("nan"), float("inf"), 1.0]}, 1),
        ({"loss": [float("nan")], "accuracy": [float("nan")]}, 2),
        ({"val_accuracy": [0.5], "loss": [1.0, 0.5], "error": [30.0, 3.0]}, 3),
        ({"loss": np.geomspace(5, 1e-6, 2_000).tolist(), "empty": []}, 1),
    ],
)
def test_training_curves_of_any_run(
    history: dict[str, list[float]], panels: int, tmp_path: Path
) -> None:
    plot_history(history, tmp_path / "training.png")
    assert pixels(tmp_path / "training.png").shape == (585, 840 * panels, 3)


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_training_curves_of_no_run(history: dict[str, list[float]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no values to plot"):
        plot_history(history, tmp_path / "training.png")
    assert not list(tmp_path.iterdir())


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


def test_a_chosen_font_has_the_glyph() -> None:
    characters = {char for pair in make_pairs(3_000, seed=0) for char in pair.text} - {" "}
    for fonts in (None, ["DejaVu Sans"]):
        chosen = {char: families_for(char, fonts) for char in sorted(characters)}
        assert all(chosen[char] for char in "0123456789-AzéяЯي٩")
        for char, name in chosen.items():
            if name is not None:
                file = font_manager.findfont(name[0], fallback_to_default=False)
                assert font_manager.get_font(file).get_char_index(ord(char)) != 0


def test_fonts_that_only_pretend_are_not_used() -> None:
    names = installed_fonts()
    assert names[0] == "DejaVu Sans"
    assert len(set(names)) == len(names)
    assert not any("emoji" in name.lower() or name.startswith("cm") for name in names)
    assert families_for("年", ["DejaVu Sans", "No Such Font"]) is None


def test_the_backend_of_the_user_is_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plot_history(HISTORY, tmp_path / "training.png")
    draw_attention([example("9 mayo")], tmp_path / "attention.png")
    assert dict(matplotlib.rcParams) == before
