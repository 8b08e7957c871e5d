"""Selection of fonts that contain given characters: installed ones, and those of font packages.

The selection uses the character maps of the fonts, so that plots show no empty boxes.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager

__all__ = ["families_for", "installed_fonts"]

# Sans-serif fonts of common systems, in order of preference; other installed fonts follow.
_PREFERRED = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "Noto Sans CJK KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Geeza Pro",
    "Segoe UI",
    "Arial Unicode MS",
    "Droid Sans Fallback",
)
# These map characters to boxes, or matplotlib cannot draw them.
_NO_GLYPHS = ("lastresort", "last resort", "blank", "emoji")
_PACKAGES = (  # the fonts of the extra `plot`; DejaVu Sans, of matplotlib, has Arabic and Hebrew
    "noto_cjk_sans_jp_regular",  # Chinese, Japanese and Korean
    "fontpkg_noto_sans_devanagari",
    "fontpkg_noto_sans_thai",
)
_MOST_FAMILIES = 4  # in one text


def families_for(text: str, fonts: Sequence[str] | None = None) -> list[str] | None:
    """The first font families that together have glyphs for all characters of a text, or None.

    A warning names the extra of Lamina if the fonts of its packages are missing.

    Args:
        text: one or more characters.
        fonts: family names in order of preference; unknown names are ignored. Default:
            :func:`installed_fonts`.

    >>> families_for("a", ["No Such Font", "DejaVu Sans"])
    ['DejaVu Sans']
    """
    left = set(map(ord, text))
    chosen: list[str] = []
    for name in installed_fonts() if fonts is None else fonts:
        found = left & _code_points(name)
        if found or not left:
            chosen.append(name)
            left -= found
        if not left:
            return chosen
        if len(chosen) == _MOST_FAMILIES:
            break
    if fonts is None:
        _warn_of_missing_packages()
    return None


@cache
def installed_fonts() -> tuple[str, ...]:
    """The font families of matplotlib and of font packages, preferred text fonts first."""
    # Fonts in matplotlib's data folder are for formulas and use other character maps.
    own = matplotlib.get_data_path()
    for file in _files_of_packages():
        try:
            font_manager.fontManager.addfont(file)
        except (OSError, RuntimeError):  # not readable
            continue
    entries = font_manager.fontManager.ttflist
    found = {entry.name for entry in entries if not entry.fname.startswith(own)} | {"DejaVu Sans"}
    usable = {name for name in found if not any(word in name.lower() for word in _NO_GLYPHS)}
    preferred = [name for name in _PREFERRED if name in usable]
    return (*preferred, *sorted(usable - set(preferred)))


def _folders() -> dict[str, Path | None]:
    """The folder of each font package; None if it is not installed. Nothing is imported."""
    found = {name: importlib.util.find_spec(name) for name in _PACKAGES}
    return {
        name: None if spec is None or spec.origin is None else Path(spec.origin).parent
        for name, spec in found.items()
    }


def _files_of_packages() -> Iterator[Path]:
    for folder in _folders().values():
        if folder is not None:
            files = sorted(folder.rglob("*"))
            yield from (file for file in files if file.suffix in (".otf", ".ttf"))


@cache  # once
def _warn_of_missing_packages() -> None:
    if None in _folders().values():
        warnings.warn(
            "Some characters are drawn as code points, because no installed font has them. "
            "Fonts for Chinese, Japanese, Korean, Devanagari and Thai: pip install 'lamina[plot]'",
            stacklevel=2,
        )


@cache
def _code_points(name: str) -> frozenset[int]:
    manager = font_manager.fontManager
    faces = [entry for entry in manager.ttflist if entry.name == name]

    def distance(face: font_manager.FontEntry) -> float:
        """Distance from the face that matplotlib draws with; other faces may have fewer glyphs."""
        return (
            manager.score_style("normal", face.style)
            + manager.score_variant("normal", face.variant)
            + manager.score_weight("normal", face.weight)
            + manager.score_stretch("normal", face.stretch)
        )

    try:
        return frozenset(font_manager.get_font(min(faces, key=distance).fname).get_charmap())
    except (ValueError, RuntimeError, OSError):  # not installed or not readable
        return frozenset()
