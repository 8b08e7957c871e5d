import warnings
from collections.abc import Iterator

import pytest
from matplotlib import font_manager

import lamina
from lamina.plots import fonts
from lamina.plots.fonts import families_for, installed_fonts
from lamina.translate.dates import make_pairs


def test_a_chosen_font_has_the_glyph() -> None:
    characters = {char for pair in make_pairs(3_000, seed=0) for char in pair.text} - {" "}
    for names in (None, ["DejaVu Sans"]):
        chosen = {char: families_for(char, names) for char in sorted(characters)}
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


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with no fonts but those of matplotlib, and without the packages of fonts."""
    before = font_manager.fontManager.ttflist
    mine = [entry for entry in before if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", mine)
    monkeypatch.setattr(fonts, "_PACKAGES", ("a_font_package_that_is_not_installed",))
    caches = (installed_fonts, fonts._warn_of_missing_packages)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_without_fonts_characters_are_code_points_and_one_warning_names_the_extra(
    no_packages: None,
) -> None:
    def drawn() -> list[str]:
        figure = lamina.plot_attention([[0.5, 0.25, 0.25]], "a年日", "x")
        return [label.get_text() for label in figure.axes[0].get_xticklabels()]

    with pytest.warns(UserWarning, match=r"pip install 'lamina\[plot\]'") as caught:
        assert drawn() == ["a", "U+5E74", "U+65E5"]
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn() == ["a", "U+5E74", "U+65E5"]


@pytest.mark.parametrize(
    "text",
    ["简体中文", "繁體中文", "ひらがなカタカナ", "한국어", "हिन्दी", "ภาษาไทย", "العربية", "עברית"],
)
def test_the_extra_has_fonts_for_scripts(text: str) -> None:
    assert families_for(text) is not None


def test_a_text_of_several_scripts_has_several_fonts() -> None:
    families = families_for("a年ไ")
    assert families is not None and families[0] == "DejaVu Sans" and len(families) == 3
