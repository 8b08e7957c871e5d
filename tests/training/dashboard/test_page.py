"""The page in a browser, served by `lamina watch`, by `fit`, or by a thread of the tests."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from lamina.training.dashboard.log import LOG_NAME
from lamina.training.dashboard.serving import Server
from tests.training.dashboard.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

LOADED = "data && document.querySelectorAll('#curves svg path').length"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@contextlib.contextmanager
def process(*arguments: object) -> Iterator[tuple[subprocess.Popen, str]]:
    """A process of Python, and the URL of the page that it has printed."""
    command = [sys.executable, "-u", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        try:
            line = one.stdout.readline()
            yield one, next(word for word in line.split() if word.startswith("http"))
        finally:
            one.kill()


def watch(*folders: Path):
    return process("-m", "lamina", "watch", *folders, "--port", 0)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL of the page of a folder, from the server of `lamina watch` in a thread."""
    server = Server([folder], 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join(60)
        assert not thread.is_alive()


def write(folder: Path, count: int = 40, **more) -> Path:
    """A run of two epochs, whose loss is 100 / step."""
    folder.mkdir(exist_ok=True)
    now = time.time() - count
    about = {"version": 1, "model": "Net", "epochs": 4, "steps": count // 2, "step": 0, "epoch": 0}
    lines = [{"event": "begin", "time": now, **about}]
    for step in range(1, count + 1):
        place = {"time": now + step, "step": step, "epoch": 2 * step / count}
        logs = {"loss": 100 / step, "accuracy": step / count, **more}
        lines.append({"event": "step", **place, "logs": logs, "rate": 1.5})
        if step % (count // 2) == 0:
            logs = {"loss": 100 / step, "val_loss": 120 / step}
            lines.append({"event": "epoch", **place, "logs": logs})
    append(folder, *lines)
    return folder


def append(folder: Path, *entries: dict) -> None:
    with open(folder / LOG_NAME, "a") as stream:
        stream.writelines(json.dumps(entry) + "\n" for entry in entries)


def text(page: Browser, selector: str) -> str:
    return page.run(f"document.querySelector({selector!r}).innerText")


def test_two_runs_side_by_side(chromium, tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    ranges = {"event": "ranges", "time": time.time(), "step": 40, "epoch": 2}
    gradients = {"dense.kernel": [-0.5, 0.25, 0.125], "dense.bias": ["nan", "nan", "nan"]}
    append(second, {**ranges, "gradients": gradients, "outputs": {"dense": [0, 10, 2.5]}})
    sample = {"event": "sample", "time": time.time(), "step": 40, "epoch": 2, "name": "greedy"}
    append(second, {**sample, "text": "hello <b>there</b>"})
    chromium.requested.clear()
    with served(tmp_path) as url:
        chromium.open(url)
        chromium.wait(LOADED)
        rows = chromium.run("[...byId('runs').tBodies[0].rows].map((row) => row.innerText)")
        assert [str(first) in rows[0], str(second) in rows[1]] == [True, True]
        assert "2 / 4" in rows[0] and "running" in rows[0] and "1.5" in rows[0]
        assert chromium.run("[...charts.keys()]") == ["loss", "accuracy"]
        kinds = chromium.run(
            "[...charts.get('loss').svg.querySelectorAll('path')].map((p) => p.className.baseVal)"
        )
        one = ["curve step {}", "curve epoch {}", "curve validation {}"]
        assert kinds == [kind.format(run) for run in ("run0", "run1") for kind in one]
        assert "dense.kernel" in text(chromium, "#tables")
        assert chromium.run("document.querySelectorAll('#tables .wrong').length") == 3
        assert text(chromium, "#samples pre") == "hello <b>there</b>"
        # Without the first run, its curves go, and the colour of the second stays.
        chromium.run("document.querySelector('#runs input').click()")
        colours = "[...document.querySelectorAll('#curves path')].map((p) => p.classList[2])"
        assert set(chromium.run(colours)) == {"run1"}
        assert all(one.startswith((url, "data:")) for one in chromium.requested)
    assert chromium.errors == []


def test_the_cursor_shows_values_to_the_pointer_and_to_keys(chromium, tmp_path):
    write(tmp_path / "a")
    with served(tmp_path) as url:
        chromium.open(url)
        chromium.wait(LOADED)
        box = "charts.get('loss').svg.getBoundingClientRect()"
        x, y = chromium.run(f"{box}.x + charts.get('loss').toX(20)"), chromium.run(f"{box}.y + 50")
        chromium.move(x, y)
        tip = chromium.wait("!charts.get('loss').tip.hidden && charts.get('loss').tip.innerText")
        assert "step 20" in tip and "within the epoch\n5" in tip and "validation\n6" in tip
        chromium.move(1, 1)
        chromium.wait("charts.get('loss').tip.hidden")
        chromium.run("charts.get('loss').svg.focus()")
        chromium.press("Home")
        assert "step 1\n" in chromium.run("charts.get('loss').tip.innerText")
        chromium.press("ArrowRight")
        assert "within the epoch\n50" in chromium.run("charts.get('loss').tip.innerText")
        chromium.press("Escape")
        assert chromium.run("charts.get('loss').tip.hidden")
    assert chromium.errors == []


def test_axis_scale_and_smoothing(chromium, tmp_path):
    write(tmp_path / "a")
    chart = "charts.get('loss')"
    line = f"{chart}.lines[0]"
    with served(tmp_path) as url:
        chromium.open(f"{url}/#axis=epoch&log=1&smoothing=0.5")
        chromium.wait(f"{LOADED} && data.axis === 'epoch'")
        assert chromium.run(f"{line}.x.slice(-1)[0]") == 2
        smoothed, weights = 0.0, 0.0
        for step in range(1, 41):
            smoothed = 0.5 * smoothed + 0.5 * 100 / step
            weights = 0.5 * weights + 0.5
        assert chromium.run(f"{line}.y.slice(-1)[0]") == pytest.approx(smoothed / weights)
        assert chromium.run(f"{line}.raw.slice(-1)[0]") == 2.5
        middle = f"{chart}.toY(10) - ({chart}.toY(1) + {chart}.toY(100)) / 2"
        assert abs(chromium.run(middle)) < 1e-9
        chromium.run("byId('log').click()")
        assert abs(chromium.run(middle)) > 10
        chromium.run("byId('axis').value = 'time'; byId('axis').dispatchEvent(new Event('change'))")
        chromium.wait("data.axis === 'time'")
        assert chromium.run(f"{line}.x.slice(-1)[0]") == pytest.approx(40, abs=0.01)
        assert "axis=time" in chromium.run("location.hash")
    assert chromium.errors == []


def test_a_run_is_followed_live_and_a_server_that_goes_away_is_told(chromium, tmp_path):
    run = write(tmp_path / "a")
    with watch(tmp_path) as (command, url):
        chromium.open(url)
        chromium.wait(LOADED)
        step = {"event": "step", "time": time.time(), "step": 99, "epoch": 3.5, "rate": 2}
        append(run, {**step, "logs": {"loss": 0.5, "f1": 1}})
        chromium.wait("data.runs[0].step === 99 && charts.has('f1')")
        write(tmp_path / "later")
        chromium.wait("data.runs.length === 2")
        command.send_signal(signal.SIGINT)
        assert command.wait(60) == 0
        assert command.stdout.read() == "stopped\n"
        told = chromium.wait("byId('status').className === 'wrong' && byId('status').textContent")
        assert told.startswith("The server does not answer. This is from ")
        assert chromium.run("document.querySelectorAll('#curves svg path').length")
    assert chromium.errors == []


def test_hostile_names_are_text(chromium, tmp_path):
    evil = "<img src=x onerror='window.hurt = 1'>"
    write(tmp_path / "a", **{evil: 1.0, "\u202e\x1b[31m": 2.0, "N" * 10**6: 3.0})
    place = {"time": time.time(), "step": 41, "epoch": 2, "name": evil}
    append(tmp_path / "a", {"event": "sample", **place, "text": evil})
    append(tmp_path / "a", {"event": "ranges", **place, "gradients": {evil: [0, 1, 2]}})
    append(tmp_path / "a", {"event": "note", **place, "text": evil})
    append(tmp_path / "a", {"event": "step", **place, "logs": {"loss": math.nan}})
    with open(tmp_path / "a" / LOG_NAME, "a") as stream:
        stream.write('{"event": "step", "ti')
    with served(tmp_path) as url:
        chromium.open(url)
        chromium.wait(LOADED)
        titles = chromium.run(
            "[...document.querySelectorAll('#curves h3')].map((t) => t.textContent)"
        )
        assert titles[2:4] == [evil, "\\u202e\\x1b[31m"]
        assert len(titles) == 5 and len(titles[4]) < 200
        chromium.wait("!byId('samples').hidden")  # a long log appears in parts
        assert text(chromium, "#samples pre") == evil
        assert evil in text(chromium, "#tables") and evil in text(chromium, "#notes")
        chromium.wait("byId('notes').innerText.includes('The last line is incomplete.')")
        assert "1 not finite" in text(chromium, "#curves figure")
        assert chromium.run("document.querySelectorAll('#curves img, #samples img').length") == 0
        assert chromium.run("window.hurt") is None
    assert chromium.errors == []


def test_a_hundred_thousand_points_a_curve(chromium, tmp_path):
    write(tmp_path / "a", 100_000)
    with served(tmp_path) as url:
        chromium.open(url)
        chromium.wait(f"{LOADED} && data.runs[0].step === 100000")
        assert chromium.run("charts.get('loss').lines[0].x.length") <= 1000
        assert chromium.run("charts.get('loss').high") >= 100  # the peak of the first step
        assert chromium.run("document.querySelectorAll('*').length") < 2000
    assert chromium.errors == []


def test_dark_print_and_narrow(chromium, tmp_path):
    write(tmp_path / "a")
    with served(tmp_path) as url:
        chromium.open(url)
        chromium.wait(LOADED)
        for scheme, dark in (("dark", True), ("light", False)):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            chromium.send("Emulation.setEmulatedMedia", features=[feature])
            chromium.screenshot(tmp_path / "shot.png")
            pixels = imread(tmp_path / "shot.png")[..., :3]
            assert (np.median(pixels) < 0.3) == dark
        assert chromium.pdf().startswith(b"%PDF")
        size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        chromium.send("Emulation.setDeviceMetricsOverride", **size)
        chromium.wait("innerWidth === 400")
        assert chromium.run("document.documentElement.scrollWidth") <= 400
        chromium.send("Emulation.clearDeviceMetricsOverride")
    assert chromium.errors == []


FIT = """
import sys
import numpy as np
from lamina import Sequential, layers
from lamina.training.callbacks import Dashboard, LambdaCallback

x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
model = Sequential([layers.Dense(4), layers.Dense(1)])
model.compile("adam", "mse")
wait = LambdaCallback(on_epoch_end=lambda epoch, logs: sys.stdin.readline())
model.fit(x, x[:, :1], 8, 3, verbose=0, dashboard=0, checkpoint_dir=sys.argv[1], callbacks=wait)
print("ended", flush=True)
"""


def test_a_page_of_fit(chromium, tmp_path):
    run = tmp_path / "run"
    with process("-c", FIT, run) as (fit, url):
        chromium.open(url)
        fit.stdin.write("\n")  # let the first epoch end
        fit.stdin.flush()
        chromium.wait(f"{LOADED} && data.runs[0].epoch >= 1")
        assert "/ 3" in text(chromium, "#runs")
        assert chromium.wait("document.querySelectorAll('#tables tbody tr').length") == 6
        fit.stdin.write("\n\n")
        fit.stdin.flush()
        assert fit.stdout.readline() == "ended\n"
        assert fit.wait(60) == 0  # the server does not keep the process
        chromium.wait("byId('status').className === 'wrong'")
    with watch(run) as (_, url):
        chromium.open(url)
        chromium.wait(f"{LOADED} && data.runs[0].state === 'ended' && data.runs[0].epoch === 3")
    assert chromium.errors == []


def test_an_interrupt_while_the_page_is_open(chromium, tmp_path):
    with process("-c", FIT, tmp_path / "run") as (fit, url):
        chromium.open(url)
        fit.stdin.write("\n")
        fit.stdin.flush()
        chromium.wait(f"{LOADED} && data.runs[0].epoch >= 1")
        fit.send_signal(signal.SIGINT)
        assert fit.wait(60) == -signal.SIGINT or os.name != "posix"
    assert (tmp_path / "run" / LOG_NAME).read_text().count('"epoch"') > 1
