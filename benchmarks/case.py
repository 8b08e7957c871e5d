"""Benchmark cases, libraries and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

__all__ = ["DEVICES", "METRICS", "PEERS", "Case", "Metric", "Peer", "Row", "Target", "everyone"]

Row = Mapping[str, Any]


class Peer(NamedTuple):
    """A library to compare with.

    Attributes:
        module: name of the module with its implementations.
        needs: packages that must be installed.
        settings: environment variables of its process.
    """

    module: str
    needs: tuple[str, ...]
    settings: Mapping[str, str] = {}

    def lacks(self) -> str:
        """The packages that are not installed, as a message; empty if none."""
        missing = [name for name in self.needs if find_spec(name) is None]
        return f"{' and '.join(missing)} not installed" if missing else ""


PEERS = {
    "Lamina": Peer("with_lamina", ("lamina",)),
    "raw JAX": Peer("with_jax", ("jax", "optax")),
    "Keras": Peer("with_keras", ("keras", "jax"), {"KERAS_BACKEND": "jax"}),
    "Keras on TensorFlow": Peer(
        "with_keras", ("keras", "tensorflow"), {"KERAS_BACKEND": "tensorflow"}
    ),
    "Flax NNX": Peer("with_flax", ("flax",)),
    "Equinox": Peer("with_equinox", ("equinox",)),
    "PyTorch": Peer("with_torch", ("torch",)),
    "Hugging Face": Peer("with_transformers", ("torch", "transformers")),
    "NumPy": Peer("with_numpy", ("numpy",)),
}


# Environment variables of the processes, by device.
DEVICES = {
    "cpu": {"JAX_PLATFORMS": "cpu"},
    "gpu": {
        "JAX_PLATFORMS": "cuda",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    },  # the processes share the GPU
}


class Metric(NamedTuple):
    """A measured quantity: its title, its unit, and whether each run needs a new process."""

    title: str
    unit: str
    fresh: bool


METRICS = {
    "time": Metric("time", "s", fresh=False),
    "calls": Metric("Python calls", "calls", fresh=False),
    "first": Metric("time, first run of the process", "s", fresh=True),
    "peak": Metric("peak memory", "bytes", fresh=True),
    "process": Metric("peak memory of the whole process", "bytes", fresh=True),
}


class Target(NamedTuple):
    """Lamina should need at most ``ratio`` times the peer's value, plus ``plus`` units."""

    ratio: float
    plus: float = 0.0


@dataclass(frozen=True)
class Case:
    """A benchmark, run for several rows of sizes.

    Attributes:
        name: name on the command line.
        title: title in tables.
        package: package with the implementations, one module ``with_...`` per library.
        problem: creates sizes, weights and data from a row. Times are divided by its attribute
            ``parts``, if it has one, such as the number of steps in a run.
        contenders: names of functions ``(problem) -> run`` by column. A column is the name of a
            library, optionally followed by a colon and a variant. A run ends when its result is
            ready.
        rows: sizes.
        quick: small sizes for ``--quick``.
        metrics: keys of METRICS.
        tolerance: maximum difference from Lamina's results, relative to their largest value; None
            for random results.
        checks: number of runs whose results are compared; more than one for training steps.
        targets: targets by metric and column.
        headline: whether the case is in the README.
        cached: whether JAX's compilation cache is shared between the processes of a library.
        settings: environment variables of all processes.
        optional: whether the case runs only if it is named.
        device: key of DEVICES. On a GPU, float32 products use TensorFloat-32, JAX's default.
        processes: number of processes per library, one after the other. The speed of short steps
            depends on the memory layout of the process. It is also the minimum number of
            processes for metrics of the first run.
    """

    name: str
    title: str
    package: str
    problem: Callable[..., Any]
    contenders: Mapping[str, str]
    rows: Sequence[Row]
    quick: Sequence[Row]
    metrics: tuple[str, ...] = ("time",)
    tolerance: float | None = 1e-5
    checks: int = 1
    targets: Mapping[str, Mapping[str, Target]] = field(default_factory=dict)
    headline: bool = False
    cached: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    processes: int = 1
    device: str = "cpu"

    def place(self, column: str) -> tuple[str, str]:
        """The module and the function of a column."""
        return f"benchmarks.{self.package}.{peer_of(column).module}", self.contenders[column]


def peer_of(column: str) -> Peer:
    """The library of a column.

    >>> peer_of("Keras: train_on_batch").module
    'with_keras'
    """
    return PEERS[column.partition(":")[0]]


def label(row: Row) -> str:
    """The sizes of a row as text.

    >>> label({"batch": 64, "units": 256})
    'batch 64, units 256'
    """
    return ", ".join(f"{name} {value}" for name, value in row.items())


def everyone(function: str, *columns: str) -> dict[str, str]:
    """The same function name for Lamina and for each of the columns."""
    return dict.fromkeys(("Lamina", *columns), function)
