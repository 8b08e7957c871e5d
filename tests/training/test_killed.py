"""Training that is killed at random moments, and gone on with: the same weights to the bit."""

import json
import os
import random
import subprocess
import sys
import time

import pytest

KILLS = int(os.environ.get("LAMINA_KILLS", "6"))

PROGRAM = """
import hashlib, json, sys, time
import numpy as np
import lamina
from lamina import Sequential, layers
from lamina.training import Callback

how, directory, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])

class Slow(Callback):
    def on_train_begin(self, logs=None):
        print("training", flush=True)

    def on_progress(self, step, logs=None):
        time.sleep(pause)

class Slower(Slow):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(pause)

random = np.random.default_rng(0)
x, y = random.normal(size=(104, 5)).astype("float32"), random.integers(0, 3, 104)

def batches():
    for at in range(0, 96, 16):
        yield x[at : at + 16], y[at : at + 16]

lamina.set_seed(1)
model = Sequential([
    layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2),
    layers.Dense(3, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
given = {"x": x, "y": y} if how == "arrays" else {"x": batches}
options = {} if how == "arrays" else {"steps_per_epoch": 5}
if directory != "none":
    options |= {"checkpoint_dir": directory, "checkpoint_every": 2, "resume": True}
told = Slow() if how == "arrays" else Slower()
history = model.fit(
    **given, batch_size=16, epochs=24, verbose=0, callbacks=[told], validation_data=(x, y),
    **options,
)
digest = hashlib.sha256()
for path, value in model.values().items():
    digest.update(path.encode() + np.asarray(value).tobytes())
print(json.dumps([digest.hexdigest(), history.epoch, history.history]), flush=True)
"""


def started(tmp_path, how, directory, pause=0.0):
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    command = [sys.executable, "-c", PROGRAM, how, str(directory), str(pause)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def ended(process):
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


@pytest.mark.parametrize("how", ["arrays", "batches"])
def test_killed_at_random_moments_nothing_is_lost(tmp_path, how):
    expected = ended(started(tmp_path, how, "none"))
    moments = random.Random(how)
    directory = tmp_path / "checkpoints"
    killed = 0
    for _ in range(-(-KILLS // 2)):
        process = started(tmp_path, how, directory, pause=0.02)
        assert process.stdout is not None
        process.stdout.readline()  # it trains
        time.sleep(moments.uniform(0.05, 0.9))
        process.kill()
        killed += process.wait() < 0
        process.communicate()
    assert killed > 0
    found = ended(started(tmp_path, how, directory))
    assert found == expected
    names = sorted(os.listdir(directory))
    assert len(names) == 3 and all(name.startswith("checkpoint-") for name in names)
    again = ended(started(tmp_path, how, directory))  # there is nothing left to do
    assert again == expected
