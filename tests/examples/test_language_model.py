"""The language model of the examples learns and writes, as a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.as_users_run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "language_model.py"
TINY = {
    "features": 16,
    "heads": 2,
    "blocks": 1,
    "context": 24,
    "characters": 20_000,
    "batch": 20,  # no batch is left smaller, which would be another program
    "epochs": 3,
    "length": 30,
}


def test_it_learns_and_writes() -> None:
    options = [f"--{name}={value}" for name, value in TINY.items()]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *options, "--prompt=Return "],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "20,000 characters" in done.stdout
    for row in ("training:", "validation:"):
        found = re.search(rf"{row}\s+(.+)", done.stdout)
        assert found is not None
        first, *_, last = map(float, found[1].split())
        assert last < first - 0.1
    sample = done.stdout.partition("-" * 40 + "\n")[2]
    assert sample.startswith("Return ") and len(sample) == len("Return ") + TINY["length"] + 1
