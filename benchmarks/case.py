"""What a case is: the same work, done by Lamina and by its peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

__all__ = ["DEVICES", "METRICS", "PEERS", "Case", "Metric", "Peer", "Row", "Target", "everyone"]

Row = Mapping[str, Any]


class Peer(NamedTuple):
    """A library: the module that holds its contenders, what it needs, how its process is set."""

    module: str
    needs: tuple[str, ...]
    settings: Mapping[str, str] = {}

    def lacks(self) -> str:
        """What is not installed, in words; nothing if all is there."""
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
    "NumPy": Peer("with_numpy", ("numpy",)),
}


# What computes: how the processes of contenders are told.
DEVICES = {
    "cpu": {"JAX_PLATFORMS": "cpu"},
    "gpu": {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},  # shared by all
}


class Metric(NamedTuple):
    """What is measured: in words, its unit, and whether each run takes a new process."""

    title: str
    unit: str
    fresh: bool


METRICS = {
    "time": Metric("time", "s", fresh=False),
    "calls": Metric("Python calls", "calls", fresh=False),
    "first": Metric("time, first in the process", "s", fresh=True),
    "peak": Metric("peak memory", "bytes", fresh=True),
    "process": Metric("peak memory of the whole process", "bytes", fresh=True),
}


class Target(NamedTuple):
    """Lamina takes at most ``ratio`` times what the peer takes, and ``plus`` of the unit."""

    ratio: float
    plus: float = 0.0


@dataclass(frozen=True)
class Case:
    """One question, asked for rows of sizes.

    Attributes:
        name: by which it is run.
        title: what is done, for people.
        package: where the contenders are, a module ``with_...`` for each peer.
        problem: makes sizes, weights and data from a row; it may say ``parts``, by which times
            are divided, such as the steps in a run.
        contenders: functions ``(problem) -> run`` by column: the name of a peer and, after a
            colon, a variant. A run ends when what it returns is ready.
        rows: the sizes.
        quick: the sizes of a trial.
        metrics: keys of METRICS.
        tolerance: how far results may be from Lamina's, relative to the largest number in
            them; None where they are random.
        checks: how many runs are compared; for training steps more than one.
        targets: by metric, by column.
        headline: whether the README tells of it.
        cached: whether compiled programs are kept on disk from one process to the next.
        settings: of the environment of all contenders.
        optional: run by its name only.
        device: what computes, a key of DEVICES. On a GPU products of float32 are as JAX takes
            them there by default, in TensorFloat-32.
        processes: how many each contender is timed in, one after the other: how fast short steps
            are depends on where a process happens to have its memory. What happens once in a
            process is measured in so many at least.
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
        """The module and the function of a contender."""
        return f"benchmarks.{self.package}.{peer_of(column).module}", self.contenders[column]


def peer_of(column: str) -> Peer:
    """The peer whose column this is.

    >>> peer_of("Keras: train_on_batch").module
    'with_keras'
    """
    return PEERS[column.partition(":")[0]]


def label(row: Row) -> str:
    """A row in words.

    >>> label({"batch": 64, "units": 256})
    'batch 64, units 256'
    """
    return ", ".join(f"{name} {value}" for name, value in row.items())


def everyone(function: str, *columns: str) -> dict[str, str]:
    """The same function of Lamina's module and of each of these peers'."""
    return dict.fromkeys(("Lamina", *columns), function)
