"""Files with runs: as they are written, as they grow, damaged and hostile ones."""

import base64
import json
import math
import os

import numpy as np
import pytest

from lamina import Sequential, layers
from lamina.training import callbacks
from lamina.training.dashboard import sources
from lamina.training.dashboard.images import png
from lamina.training.dashboard.log import LOG_NAME, LogWriter
from lamina.training.dashboard.runs import MOST_CURVES
from lamina.training.dashboard.sources import CheckpointSource, CsvSource, LogSource, find

X = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]


def lines(path, *events):
    with open(path, "a", encoding="utf-8") as stream:
        for event in events:
            stream.write(json.dumps({"time": 100.0 + event.get("step", 0), **event}) + "\n")


def begin(step=0, epoch=0, **more):
    about = {"version": 1, "model": "M", "epochs": 4, "steps": 10}
    return {"event": "begin", "step": step, "epoch": epoch, **about, **more}


def at(step, loss, **more):
    return {"event": "step", "step": step, "epoch": step / 10, "logs": {"loss": loss}, **more}


def read(path):
    source = LogSource(path, "run")
    while source.read():
        pass
    return [run.to_json("step") for run in source.runs]


@pytest.fixture
def log(tmp_path):
    return tmp_path / LOG_NAME


def test_a_log_that_grows(log):
    lines(log, begin(), at(1, 3.0, rate=2.5))
    source = LogSource(log, "run")
    assert source.read() and not source.read()
    with open(log, "a") as stream:
        stream.write(json.dumps({"time": 104.0, **at(4, 2.0)})[:20])
    assert source.read() and source.is_partial
    assert source.runs[0].to_json("step")["curves"]["step"]["loss"] == {"x": [1.0], "y": [3.0]}
    with open(log, "a") as stream:
        stream.write(json.dumps({"time": 104.0, **at(4, 2.0)})[20:] + "\n")
    assert source.read() and not source.is_partial
    shown = source.runs[0].to_json("time")
    assert shown["curves"]["step"]["loss"] == {"x": [1.0, 4.0], "y": [3.0, 2.0]}
    assert (shown["state"], shown["step"], shown["epoch"]) == ("running", 4.0, 0.4)
    assert shown["left"] == pytest.approx((4 - 0.4) * 3 / 0.3)  # 3 seconds for 0.3 epochs


def test_a_log_that_is_replaced_is_read_anew(log, tmp_path):
    lines(log, begin(), at(1, 3.0), at(2, 2.0))
    source = LogSource(log, "run")
    source.read()
    lines(tmp_path / "other", begin(), at(1, 7.0))
    os.replace(tmp_path / "other", log)
    assert source.read()
    assert source.runs[0].to_json("step")["curves"]["step"]["loss"]["y"] == [7.0]
    log.unlink()
    assert source.read() and not source.read()
    assert source.runs[0].to_json("step")["notes"] == [
        "The file cannot be read: it is missing now."
    ]


def test_a_long_log_is_read_in_parts(log, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 100)
    lines(log, begin(), *(at(step, float(step)) for step in range(1, 200)))
    source = LogSource(log, "run")
    looks = 0
    while source.read():
        looks += 1
    assert looks > 5
    assert len(source.runs[0].to_json("step")["curves"]["step"]["loss"]["x"]) == 199


def test_a_resumed_run_drops_what_is_void(log):
    lines(log, begin(), at(5, 5.0), at(12, 4.0), at(18, 3.0), begin(step=10, epoch=1), at(15, 9.0))
    (shown,) = read(log)
    assert shown["curves"]["step"]["loss"] == {"x": [5.0, 15.0], "y": [5.0, 9.0]}


def test_a_run_that_begins_again_is_another(log):
    end = {"event": "end", "step": 20, "epoch": 2}
    lines(log, begin(), at(20, 5.0), end, begin(), at(3, 4.0))
    first, second = read(log)
    assert [first["name"], second["name"]] == ["run", "run #2"]
    assert [first["state"], second["state"]] == ["ended", "running"]
    # The same model, trained from epoch 0 again, does not continue the axis of epochs either.
    lines(log, begin(step=3, epoch=0), at(13, 1.0))
    assert read(log)[1]["curves"]["step"]["loss"]["x"] == [3.0, 13.0]  # still within epoch 0
    lines(log, begin(step=13, epoch=0), at(15, 1.0))
    assert len(read(log)) == 3


def test_lines_without_an_epoch_do_not_void_the_rest(log):
    unknown = {"event": "step", "time": 1.0, "step": 5, "logs": {"loss": 2.0}}
    lines(log, begin(), unknown, begin(step=5, epoch=0), at(8, 1.0), {"event": "end", "step": 8})
    lines(log, begin(step=8, epoch=1), at(9, 0.5))
    (shown,) = read(log)
    assert shown["notes"] == []
    assert shown["curves"]["step"]["loss"]["y"] == [2.0, 1.0, 0.5]


def test_what_is_hostile_is_text_or_left_out(log):
    lines(
        log,
        begin(model="<script>\x1b[31m"),
        at(1, "nan"),
        at(2, 1.0, logs={"loss": 1.0, "<b>": 2.0, "\u202ea\0": 3.0, "N" * 10**6: 4.0, "t": "x"}),
        at(3, 0.5, rate="inf"),
        {"event": "ranges", "step": 3, "epoch": 0, "gradients": {"w": ["nan", 1, 2], "v": [1]}},
        {"event": "sample", "step": 3, "epoch": 1, "name": "a\x07", "text": "b\x1b"},
        {"event": "sample", "step": 3, "epoch": 1, "name": "c", "png": "javascript:1"},
        {"event": ["begin"]},
    )
    with open(log, "ab") as stream:
        stream.write(b"[" * 100_000 + b"\n\xff\xfe\n[1]\n" + b'{"event": "step", "step": ')
        stream.write(b"9" * 6000 + b"}\n" + b"x" * (10 << 20) + b"\n")
    lines(log, at(4, math.inf), at(5, math.nan), at(6, 1e308), at(7, 0.25))
    (shown,) = read(log)
    assert shown["model"] == "<script>\\x1b[31m"
    assert shown["rate"] is None
    curves = shown["curves"]["step"]
    assert curves["loss"] == {
        "x": [2.0, 3.0, 6.0, 7.0],
        "y": [1.0, 0.5, 1e308, 0.25],
        "nonfinite": 3,
    }
    assert list(curves)[1:3] == ["<b>", "\\u202ea\\x00"]
    assert all(len(name) < 200 for name in curves) and len(curves) == 4
    assert shown["ranges"]["gradients"][0]["last"] == ["nan", 1.0, 2.0]
    assert [(s["name"], s["text"]) for s in shown["samples"]] == [("a\\x07", "b\\x1b")]
    assert len(shown["notes"]) >= 6
    json.dumps(shown, allow_nan=False)


def test_ranges_over_time(log):
    def ranges(step, rms):
        return {"event": "ranges", "step": step, "epoch": 0, "outputs": {"a": [-1, 2, rms]}}

    def shown():
        source.read()
        return source.runs[0].to_json("step")["ranges"]["outputs"]

    lines(log, begin(), ranges(1, 0.5))
    source = LogSource(log, "run")
    assert shown() == [{"path": "a", "last": [-1, 2, 0.5], "rms": {"x": [1], "y": [0.5]}}]
    lines(log, ranges(4, "inf"), ranges(6, 0.25))
    again = {"x": [1, 6], "y": [0.5, 0.25], "nonfinite": 1}
    assert shown() == [{"path": "a", "last": [-1, 2, 0.25], "rms": again}]
    lines(log, begin(step=2))
    assert shown()[0]["rms"] == {"x": [1], "y": [0.5]}


def test_the_number_of_curves_is_limited(log):
    lines(log, begin(), at(1, 0, logs={str(i): 1.0 for i in range(MOST_CURVES + 9)}))
    (shown,) = read(log)
    assert len(shown["curves"]["step"]) == MOST_CURVES
    assert shown["notes"] == [f"Of the curves, {MOST_CURVES} are shown."]


def test_names_that_look_alike_stay_apart(log):
    lines(log, begin(), at(1, 0, logs={"\\x1b": 1.0, "\x1b": 2.0}))
    lines(log, at(2, 0, logs={"\x1b": 3.0, "\\x1b": 4.0}))
    curves = read(log)[0]["curves"]["step"]
    assert {name: c["y"] for name, c in curves.items()} == {
        "\\x1b": [1.0, 4.0],
        "\\x1b (2)": [2.0, 3.0],
    }


def test_a_writer_goes_on_after_a_half_written_line(log):
    log.write_bytes(b'{"event": "ste')
    writer = LogWriter(log)
    writer.write("begin", version=1, step=0, epoch=0, model="M")
    writer.write("step", step=1, epoch=0.5, logs={"loss": np.float32(2), "bad": math.nan})
    assert log.read_bytes().count(b"\n") == 3
    assert b"NaN" not in log.read_bytes()
    (shown,) = read(log)
    assert shown["curves"]["step"]["loss"] == {"x": [1.0], "y": [2.0]}
    assert shown["curves"]["step"]["bad"] == {"x": [], "y": [], "nonfinite": 1}


def test_images_are_kept_only_if_they_are_png(log):
    data = base64.b64encode(png(np.zeros((2, 2, 3), np.uint8))).decode()
    sample = {"event": "sample", "step": 1, "epoch": 1, "name": ""}
    lines(log, begin(), {**sample, "png": data}, {**sample, "png": "AAAA"})
    assert [one["png"] for one in read(log)[0]["samples"]] == [data]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_of_csv_logger(tmp_path, separator):
    path = tmp_path / "log.csv"
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    logger = callbacks.CSVLogger(path, separator)
    history = model.fit(
        X, X, epochs=3, validation_data=(X, X), validation_freq=2, verbose=0, callbacks=logger
    )
    (source,), _ = find(tmp_path)
    assert isinstance(source, CsvSource)
    source.read()
    shown = source.runs[0].to_json("epoch")["curves"]["epoch"]
    assert shown["loss"]["x"] == [1.0, 2.0, 3.0]
    assert shown["loss"]["y"] == pytest.approx(history.history["loss"], rel=1e-6)
    assert shown["val_loss"]["x"] == [2.0]
    with open(path, "a") as stream:
        stream.write(f"3{separator}0.")
    assert source.read() and source.is_partial
    assert source.runs[0].to_json("epoch")["curves"]["epoch"]["loss"]["x"] == [1.0, 2.0, 3.0]


def test_the_history_in_checkpoints(tmp_path):
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(X, X, epochs=3, verbose=0, checkpoint_dir=tmp_path / "run")
    (source,), _ = find(tmp_path)
    assert isinstance(source, CheckpointSource)
    source.read()
    shown = source.runs[0].to_json("epoch")
    assert shown["curves"]["epoch"]["loss"]["x"] == [1.0, 2.0, 3.0]
    assert shown["curves"]["epoch"]["loss"]["y"] == pytest.approx(history.history["loss"], rel=1e-6)
    newest = sorted((tmp_path / "run").glob("checkpoint-*"))[-1] / "checkpoint.json"
    newest.write_text(newest.read_text().replace("loss", "lost", 1))
    damaged = CheckpointSource(tmp_path / "run", "run")
    damaged.read()
    assert "another SHA-256" in damaged.runs[0].to_json("epoch")["notes"][0]


def test_runs_are_found_below_a_folder(tmp_path):
    for name in ("a", "b/c", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
        lines(tmp_path / name / LOG_NAME, begin())
    (tmp_path / "a" / "log.csv").write_text("epoch,loss\n0,1\n")  # the log has more
    (tmp_path / "b" / "other.csv").write_text("x,y\n0,1\n")
    if hasattr(os, "mkfifo"):
        (tmp_path / "d").mkdir()
        os.mkfifo(tmp_path / "d" / LOG_NAME)
        os.mkfifo(tmp_path / "d" / "pipe.csv")
    os.symlink(tmp_path, tmp_path / "b" / "loop")
    found, notes = find(tmp_path)
    assert [os.path.relpath(one.name, tmp_path) for one in found] == ["a", "b/c"]
    assert notes == []
    (one,), _ = find(tmp_path / "a" / "log.csv")
    assert isinstance(one, CsvSource)
