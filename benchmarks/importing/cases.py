"""The case of imports."""

from benchmarks.case import Case, Target, everyone
from benchmarks.importing import Problem

CASES = [
    Case(
        name="import",
        title="Import in a new process",
        package="importing",
        problem=Problem,
        contenders=everyone("run", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch"),
        rows=[{}],
        quick=[{}],
        targets={"time": {"raw JAX": Target(1.25)}},
        headline=True,
    ),
]
