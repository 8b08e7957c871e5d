import warnings

import pytest


@pytest.fixture(autouse=True)
def no_missing_glyph():
    """matplotlib warns where a font lacks a glyph and a box is drawn instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
