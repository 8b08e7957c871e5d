"""Train a translator of dates on several processes, kill them, and resume on one device.

1. Two processes with two devices each train the translator; weights, the optimizer's state and
   batches are divided over the four devices. A checkpoint is written after each epoch.
2. Both processes are killed in the middle of the training.
3. One process with one device resumes from the newest checkpoint and finishes the training.
4. For comparison, one process with one device trains the same model without an interruption.

Both translators are as accurate. The devices are parts of this machine's CPU, so that the example
runs anywhere; on a cluster, each process has devices of its own.

Usage: python examples/scale.py
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lamina
from lamina.distribute import Placement, initialize

CHECKPOINTS, RESULT = "checkpoints", "result.json"


def train(folder: Path, pairs: int, epochs: int) -> None:
    """Train on all devices of all processes, or resume; write the accuracy on held-out days."""
    initialize()
    from lamina.seq2seq import Seq2Seq  # noqa: PLC0415 - JAX is used after the processes have met
    from lamina.translate.demo import Recipe  # noqa: PLC0415
    from lamina.translate.translator import Translator  # noqa: PLC0415
    from lamina.translate.vocabulary import Vocabulary  # noqa: PLC0415

    recipe = Recipe(pairs=pairs, epochs=epochs, locales=("en_GB", "de_DE", "fr_FR"))
    data = recipe.sample(pairs, "train", 0)
    source = Vocabulary.from_texts([pair.text for pair in data])
    target = Vocabulary.from_texts(["0123456789-"])
    lamina.set_seed(0)
    with Placement.fully_sharded():
        model = Seq2Seq(len(source), len(target), embedding=32, units=64, name="dates")
        translator = Translator(model, source, target, 40, 11)
        model.compile(recipe.optimizer())
        dates = target.encode([pair.iso for pair in data], start=True, end=True)
        model.fit(
            translator.read([pair.text for pair in data]),
            dates,
            batch_size=recipe.batch_size,
            epochs=epochs,
            checkpoint_dir=folder / CHECKPOINTS,
            resume=True,
            verbose=2,
        )
    held_out = recipe.sample(500, "held_out", 1)
    found = translator.translate([pair.text for pair in held_out])
    right = sum(one.text == pair.iso for one, pair in zip(found, held_out, strict=True))
    (folder / RESULT).write_text(json.dumps({"accuracy": right / len(held_out)}))


def start(folder: Path, options: list[str], processes: int, devices: int) -> list[subprocess.Popen]:
    """Start processes that train together in a folder."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--train", str(folder), *options]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    started = []
    for number in range(processes):
        environment = os.environ | {"XLA_FLAGS": flags}
        if processes > 1:
            environment |= {
                "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
                "JAX_NUM_PROCESSES": str(processes),
                "JAX_PROCESS_ID": str(number),
            }
        started.append(subprocess.Popen(command, env=environment))
    return started


def finish(folder: Path, options: list[str]) -> float:
    """Train in one process with one device to the end; return the accuracy."""
    (process,) = start(folder, options, 1, 1)
    if process.wait() != 0:
        raise SystemExit(process.returncode)
    return json.loads((folder / RESULT).read_text())["accuracy"]


def kill_after(folder: Path, checkpoints: int, processes: list[subprocess.Popen]) -> None:
    """Wait until there are enough checkpoints, and kill the processes."""
    while len(list((folder / CHECKPOINTS).glob("checkpoint-*"))) < checkpoints:
        if any(process.poll() is not None for process in processes):
            raise SystemExit("a process ended before the checkpoints were written")
        time.sleep(0.1)
    for process in processes:
        process.kill()
        process.wait()


def main() -> None:
    """Run the demonstration, or, with `--train`, one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=8192, help="number of training pairs")
    parser.add_argument("--epochs", type=int, default=6, help="number of epochs")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.train is not None:
        train(chosen.train, chosen.pairs, chosen.epochs)
        return
    options = ["--pairs", str(chosen.pairs), "--epochs", str(chosen.epochs)]
    with tempfile.TemporaryDirectory() as temporary:
        folder, alone = Path(temporary, "together"), Path(temporary, "alone")
        for one in (folder, alone):
            one.mkdir()
        print("two processes with two devices each train ...", flush=True)
        kill_after(folder, max(1, chosen.epochs // 2), start(folder, options, 2, 2))
        print("... and are killed; one process with one device resumes", flush=True)
        resumed = finish(folder, options)
        print("one process with one device trains without an interruption", flush=True)
        whole = finish(alone, options)
    print(f"exact match: {resumed:.1%} resumed, {whole:.1%} without an interruption")


if __name__ == "__main__":
    main()
