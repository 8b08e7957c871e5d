"""What the types accept, runs; pyright checks the files of this folder in `make types`."""

import runpy
from pathlib import Path


def test_it_runs() -> None:
    runpy.run_path(str(Path(__file__).with_name("accepted.py")))
