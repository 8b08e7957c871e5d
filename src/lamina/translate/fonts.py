"""Selection of an installed font that contains given characters.

The selection uses the character maps of the fonts, so that plots show no empty boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import matplotlib
from matplotlib import font_manager

__all__ = ["font_for", "installed_fonts"]

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
    "Geeza Pro",
    "Segoe UI",
    "Arial Unicode MS",
    "Droid Sans Fallback",
)
# These map characters to boxes, or matplotlib cannot draw them.
_NO_GLYPHS = ("lastresort", "last resort", "blank", "emoji")


def font_for(text: str, fonts: Sequence[str] | None = None) -> str | None:
    """The first font family with glyphs for all characters of a text, or None.

    Args:
        text: one or more characters.
        fonts: family names in order of preference; unknown names are ignored. Default:
            :func:`installed_fonts`.

    >>> font_for("a", ["No Such Font", "DejaVu Sans"])
    'DejaVu Sans'
    """
    names = installed_fonts() if fonts is None else fonts
    wanted = set(map(ord, text))
    return next((name for name in names if wanted <= _code_points(name)), None)


@cache
def installed_fonts() -> tuple[str, ...]:
    """The font families found by matplotlib, preferred text fonts first."""
    # Fonts in matplotlib's data folder are for formulas and use other character maps.
    own = matplotlib.get_data_path()
    entries = font_manager.fontManager.ttflist
    found = {entry.name for entry in entries if not entry.fname.startswith(own)} | {"DejaVu Sans"}
    usable = {name for name in found if not any(word in name.lower() for word in _NO_GLYPHS)}
    preferred = [name for name in _PREFERRED if name in usable]
    return (*preferred, *sorted(usable - set(preferred)))


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
