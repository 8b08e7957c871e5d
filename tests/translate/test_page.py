"""The page in a browser: a translation, and its alignment, as a person sees them."""

import html
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from matplotlib.image import imread

from tests.translate.served import served

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=10000",
]
TEXT = "guten Tag <b>Welt</b> & 100 %"


def browse(folder: Path, *options: object) -> str:
    command = [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", *map(str, options)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return ended.stdout


@pytest.fixture(scope="module")
def running():
    with served(requests=1000) as server:
        yield server


def test_a_translation_and_its_alignment(running, tmp_path) -> None:
    page = browse(tmp_path, "--dump-dom", f"{running.url}/#{quote(TEXT)}")
    written = re.search(r"<output.*?>(.*?)</output>", page)[1]
    assert html.unescape(re.sub(r"<.*?>", "", written)) == TEXT.upper()
    rows = re.findall(r'<th scope="row">(.*?)</th>', page)
    columns = re.findall(r'<th scope="col"><span>(.*?)</span></th>', page)
    assert [html.unescape(word) for word in columns] == TEXT.split()
    assert [html.unescape(word) for word in rows] == TEXT.upper().split()
    shades = re.findall(r"<td .*?/ ([\d.]+)\)", page)
    assert np.array(shades, float).reshape(len(rows), len(columns)).tolist() == np.eye(6).tolist()
    assert "GUTEN ← guten: 100 %" in page


def test_what_a_person_sees(running, tmp_path) -> None:
    """Six dark cells on a diagonal, under the two panes."""
    shot = tmp_path / "page.png"
    sizes = "--window-size=1000,900", "--force-device-scale-factor=1"
    browse(tmp_path, *sizes, f"--screenshot={shot}", f"{running.url}/#{quote(TEXT)}")
    pixels = (imread(shot)[..., :3] * 255).round()
    assert pixels.shape == (900, 1000, 3)
    is_dark = (np.abs(pixels - [31, 95, 168]) < 6).all(-1)
    below = is_dark[420:]
    lines = np.flatnonzero(below.sum(1) > 20)
    middles = [float(np.flatnonzero(below[line]).mean()) for line in lines]  # corners are round
    assert middles == sorted(middles)  # from the upper left to the lower right
    places = sorted(set(middles))
    assert len(places) == 6
    assert len(set(np.diff(places).tolist())) == 1


def test_what_goes_wrong_is_told(running, tmp_path) -> None:
    page = browse(tmp_path, "--dump-dom", f"{running.url}/#{'x' * 60}")
    assert re.search(r'id="status".*?class="wrong">The text is longer than 50 characters.<', page)
    assert '<section id="alignment" hidden' in page
    page = browse(tmp_path, "--dump-dom", f"{running.url}/#%E0%A4%A")
    assert "The text in the address is invalid." in page
