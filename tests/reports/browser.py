"""A headless Chromium that tests drive through a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
]
SECONDS = 120
START = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from file descriptor 3, and writes to 4."""
KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowLeft": ("", 37), "ArrowUp": ("", 38)} | {
    "ArrowRight": ("", 39),
    "ArrowDown": ("", 40),
    "End": ("", 35),
    "Home": ("", 36),
}


class Browser:
    """A browser; its pages are opened one after another.

    Args:
        folder: where its profile is stored.
    """

    def __init__(self, folder: Path) -> None:
        read, self._write = (_high(fd) for fd in os.pipe())
        self._read, write = (_high(fd) for fd in os.pipe())

        command = [str(PROGRAM), *QUIET, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(read), str(write), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(read, write),
        )
        os.close(read)
        os.close(write)
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self.send("Browser.close", session="")
        self._process.wait(30)
        os.close(self._read)
        os.close(self._write)

    def open(self, file: Path, width: int = 1200, height: int = 800) -> None:
        """Open a file in a new page, and wait until it is loaded."""
        target = self.send("Target.createTarget", session="", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", session="", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for part in ("Runtime", "Log", "Network", "Page"):
            self.send(f"{part}.enable")
        self.resize(width, height)
        self.events.clear()
        self.send("Page.navigate", url=file.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def resize(self, width: int, height: int) -> None:
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **sizes)

    def send(self, method: str, *, session: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a command, and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": options}
        if session is None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            found = os.read(self._read, 1 << 16)
            assert found, "the browser has ended"
            self._rest += found
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def run(self, script: str) -> Any:
        """Return the value of an expression, after the next frame is drawn."""
        self.send("Runtime.evaluate", expression=FRAME, awaitPromise=True)
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def key(self, name: str) -> None:
        """Press a key."""
        text, number = KEYS.get(name, (name, ord(name[0].upper())))
        options = {"key": name, "windowsVirtualKeyCode": number} | ({"text": text} if text else {})
        self.send("Input.dispatchKeyEvent", type="keyDown", **options)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=name)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def hover(self, selector: str) -> tuple[float, float]:
        """Move the pointer to the middle of the first element that matches."""
        x, y = self.run(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        return x, y

    def click(self, selector: str) -> None:
        x, y = self.hover(selector)
        for kind in ("mousePressed", "mouseReleased"):
            options = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **options)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def pdf(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.send("Page.printToPDF")["data"]))

    def errors(self) -> list[str]:
        """Errors that scripts raised, and messages to the console."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event) for event in self.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """The addresses that the page requested."""
        sent = [one for one in self.events if one["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def _high(fd: int) -> int:
    """A copy of a file descriptor that is neither 3 nor 4."""
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return copy
