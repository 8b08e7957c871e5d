"""Runs of training, as the page shows them, and the events that make them."""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from lamina.training.dashboard.curves import NONE, Axis, Curve
from lamina.training.dashboard.log import VERSION, as_number
from lamina.training.dashboard.text import Names, visible

__all__ = ["Run"]

MOST_POINTS = 1000  # of a curve on the page
MOST_CURVES = 500
MOST_LAYERS = 10_000
LONGEST_NAME = 120
LONGEST_SAMPLE = 20_000  # characters
LONGEST_PNG = 4_000_000  # characters of Base64
MOST_SAMPLES = 24
MOST_NOTES = 20


class Run:
    """One run: curves, ranges by layer, samples and notes. All its text is made visible.

    Args:
        name: of the run.
    """

    def __init__(self, name: str) -> None:
        self.name = visible(name, 4 * LONGEST_NAME)
        self.step = self.epoch = 0.0
        self._curves: dict[str, dict[str, Curve]] = {"step": {}, "epoch": {}}
        self._known: dict[str, dict[str, Curve]] = {"step": {}, "epoch": {}}  # by the name in files
        self._ranges: dict[str, dict[str, tuple[Curve, list[float]]]] = {}
        self._ranges_of: dict[Axis, dict[str, list[dict[str, Any]]]] = {}  # as the page shows them
        self._samples: deque[dict[str, Any]] = deque(maxlen=MOST_SAMPLES)
        self._notes: dict[str, None] = {}
        self._names = Names(MOST_CURVES, LONGEST_NAME)
        self._layers = Names(2 * MOST_LAYERS, LONGEST_NAME)
        self._about: dict[str, Any] = {}
        self._state = ""
        self._began = self._last = NONE
        self._first: tuple[float, float] | None = None  # time and epoch of the first step seen

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return not any(self._curves.values())

    def note(self, text: str) -> None:
        """Add a note for the reader of the page."""
        if len(self._notes) < MOST_NOTES:
            self._notes[visible(text, 500)] = None

    def is_continued_by(self, event: Mapping[str, Any]) -> bool:
        """Return whether a ``begin`` event goes on with this run, rather than begins another."""
        step, epoch = _known(event, "step"), _known(event, "epoch")
        if not step > 0:
            return False
        return step < self.step or not epoch <= self.epoch - 1  # each may be unknown, that is NaN

    def add_epoch(self, epoch: float, logs: Mapping[str, Any], step: float = NONE) -> None:
        """Add the logs at the end of an epoch, counted from 1."""
        self.epoch = epoch
        self._add_logs("epoch", step, epoch, NONE, logs)

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event of a log; what is not as it should be is left out, with a note."""
        kind = event.get("event")
        add = self._ADDERS.get(kind) if isinstance(kind, str) else None
        if add is None:
            self.note(f"Lines of an unknown kind are left out: {kind!r}.")
            return
        time = _known(event, "time")
        if math.isfinite(time):
            self._last = time
        add(self, event)

    def _begin(self, event: Mapping[str, Any]) -> None:
        if event.get("version") != VERSION:
            self.note("The log has another version; parts of it may be missing here.")
        step = _known(event, "step")
        if step > 0:
            for curve in self._all_curves():
                curve.drop_after(step)
            self._ranges_of.clear()
        self.step, self.epoch = step, _known(event, "epoch")
        model = event.get("model")
        self._about = {"model": visible(model, LONGEST_NAME) if isinstance(model, str) else ""}
        self._about |= {name: _count(event.get(name)) for name in ("epochs", "steps")}
        self._state, self._first = "running", None
        if not math.isfinite(self._began):
            self._began = self._last

    def _all_curves(self) -> list[Curve]:
        found = [curve for curves in self._curves.values() for curve in curves.values()]
        return found + [curve for rows in self._ranges.values() for curve, _ in rows.values()]

    def _reach(self, event: Mapping[str, Any]) -> tuple[float, float, float]:
        """Return the step, the epoch and the seconds since the beginning of an event."""
        self.step, self.epoch = _known(event, "step"), _known(event, "epoch")
        return self.step, self.epoch, self._last - self._began

    def _step(self, event: Mapping[str, Any]) -> None:
        self._add_logs("step", *self._reach(event), event.get("logs"))
        if self._first is None:
            self._first = self._last, self.epoch
        self._about["rate"] = as_number(event.get("rate"))

    def _epoch(self, event: Mapping[str, Any]) -> None:
        self._add_logs("epoch", *self._reach(event), event.get("logs"))

    def _add_logs(self, kind: str, step: float, epoch: float, time: float, logs: Any) -> None:
        if not isinstance(logs, Mapping):
            self.note("A line without logs is left out.")
            return
        curves, known = self._curves[kind], self._known[kind]
        for name, value in cast("Mapping[str, Any]", logs).items():
            if type(value) is float and name in known:  # as nearly always
                known[name].add(step, epoch, time, value)
                continue
            number = as_number(value)
            if number is None:
                if not isinstance(value, list):
                    self.note(f"A value of {name!r} that is no number is left out.")
                    continue
                numbers = [as_number(one) for one in cast("list[Any]", value)[:MOST_CURVES]]
            else:
                numbers = [number]
            for index, one in enumerate(numbers):
                whole = name if number is not None else f"{name}[{index}]"
                shown = self._names.of(whole)
                if shown is None:
                    self.note(f"Of the curves, {MOST_CURVES} are shown.")
                elif one is not None:
                    curve = curves.setdefault(shown, Curve())
                    curve.add(step, epoch, time, one)
                    if name == shown:
                        known[name] = curve

    def _add_ranges(self, event: Mapping[str, Any]) -> None:
        self._ranges_of.clear()
        reached = self._reach(event)
        for kind in ("gradients", "outputs"):
            found = event.get(kind)
            rows = self._ranges.setdefault(kind, {})
            for path, values in _items(found):
                numbers = (
                    [as_number(v) for v in cast("list[Any]", values)[:4]]
                    if _is_list(values)
                    else []
                )
                if len(numbers) != 3 or None in numbers:
                    self.note("A range that is not three numbers is left out.")
                    continue
                shown = self._layers.of(path)
                if shown is None or (shown not in rows and len(rows) >= MOST_LAYERS):
                    self.note(f"Of the ranges, {MOST_LAYERS} are shown.")
                    continue
                low, high, rms = cast("list[float]", numbers)
                curve, _ = rows.get(shown) or (Curve(), [])
                curve.add(*reached, rms)
                rows[shown] = curve, [low, high, rms]

    def _sample(self, event: Mapping[str, Any]) -> None:
        name, text, png = event.get("name"), event.get("text"), event.get("png")
        sample: dict[str, Any] = {"epoch": _json_number(_known(event, "epoch"))}
        sample["name"] = visible(name, LONGEST_NAME) if isinstance(name, str) else ""
        if isinstance(png, str) and _is_png(png):
            sample["png"] = png
        elif isinstance(text, str):
            sample["text"] = visible(text, LONGEST_SAMPLE)
        else:
            self.note("A sample that is neither text nor a PNG image is left out.")
            return
        self._samples.append(sample)

    def _add_note(self, event: Mapping[str, Any]) -> None:
        self.note(str(event.get("text"))[:10_000])

    def _end(self, event: Mapping[str, Any]) -> None:
        self._reach(event)
        self._state = "ended"

    _ADDERS = {  # noqa: RUF012 - never changed
        "begin": _begin,
        "step": _step,
        "epoch": _epoch,
        "ranges": _add_ranges,
        "sample": _sample,
        "note": _add_note,
        "end": _end,
    }

    def _shown_ranges(self, axis: Axis) -> dict[str, list[dict[str, Any]]]:
        """Return the ranges by layer; they are made once for many answers."""
        if axis not in self._ranges_of:
            self._ranges_of[axis] = {
                kind: [
                    {
                        "path": path,
                        "last": [_json_number(one) for one in last],
                        "rms": _finite(curve.points(axis, 60 if len(rows) <= 500 else 12)),
                    }
                    for path, (curve, last) in rows.items()
                ]
                for kind, rows in self._ranges.items()
            }
        return self._ranges_of[axis]

    def _seconds_left(self) -> float | None:
        """Estimate the time until the last epoch from the progress in this call of `fit`."""
        epochs = self._about.get("epochs")
        if self._state != "running" or self._first is None or not epochs:
            return None
        seconds, done = self._last - self._first[0], self.epoch - self._first[1]
        if not (seconds > 0 and done > 0):
            return None
        return max(0.0, (epochs - self.epoch) * seconds / done)

    def to_json(self, axis: Axis) -> dict[str, Any]:
        """Return all that the page shows, in values that JSON can hold.

        Args:
            axis: the horizontal axis of the curves.
        """
        curves = {
            kind: {name: _finite(curve.points(axis, MOST_POINTS)) for name, curve in of.items()}
            for kind, of in self._curves.items()
        }
        about: dict[str, Any] = {
            "name": self.name,
            "state": self._state,
            "step": self.step,
            "epoch": self.epoch,
            "seconds": self._last - self._began,
            "left": self._seconds_left(),
            "last": self._last,
            **self._about,
        }
        plain = {k: _json_number(v) if isinstance(v, float) else v for k, v in about.items()}
        more = {
            "ranges": self._shown_ranges(axis),
            "samples": [*self._samples],
            "notes": [*self._notes],
        }
        return {**plain, "curves": curves, **more}


def _known(event: Mapping[str, Any], name: str) -> float:
    number = as_number(event.get(name))
    return NONE if number is None or not math.isfinite(number) else number


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53
    return value if is_count else None


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(cast("Mapping[str, Any]", value).items()) if isinstance(value, Mapping) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _json_number(value: float | None) -> float | str | None:
    """Return a number that is not finite as text."""
    return value if value is None or math.isfinite(value) else str(value)


def _finite(points: dict[str, Any]) -> dict[str, Any]:
    """Round numbers to the precision of a page: 7 digits make the answer half as long."""
    return {
        name: values if name == "nonfinite" else [float(f"{one:.7g}") for one in values]
        for name, values in points.items()
    }


def _is_png(text: str) -> bool:
    if len(text) > LONGEST_PNG:
        return False
    try:
        return base64.b64decode(text, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    except ValueError:
        return False
