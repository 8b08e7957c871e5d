"""Read thousands of changed files: `make fuzz`, or ``python -m tests.fuzz [COUNT [FIRST_SEED]]``.

Each has to load, or to end in a FileFormatError or an OSError. Another error is told with the seed
that leads to it, and so is a file that takes longer than a minute.
"""

import collections
import faulthandler
import os
import sys
import tempfile
import traceback
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

from lamina.errors import FileFormatError
from tests.fuzz.loaders import LOADERS, attempt


def main(count: int, first: int) -> int:
    """How many files led to another error."""
    jax.config.update("jax_disable_most_optimizations", True)
    failures = 0
    for name, loader in LOADERS.items():
        found = collections.Counter[str]()
        with tempfile.TemporaryDirectory() as folder:
            good = Path(folder) / "good"
            loader.make(good)
            for seed in range(first, first + count):
                faulthandler.dump_traceback_later(60, exit=True)
                error = attempt(loader, good, seed)
                faulthandler.cancel_dump_traceback_later()
                found["loaded" if error is None else type(error).__name__] += 1
                if not isinstance(error, FileFormatError | OSError | None):
                    failures += 1
                    print(f"{name}, seed {seed}:")
                    traceback.print_exception(error)
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(found.items()))
        print(f"{name}: {count} files: {told}", flush=True)
    return failures


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(bool(main(*given, *(600, 0)[len(given) :])))
