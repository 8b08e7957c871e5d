"""The case of a step's overhead."""

from benchmarks.case import Case, Target, everyone
from benchmarks.overhead import Problem

CASES = [
    Case(
        name="overhead",
        title="Train step by number of variables, with little arithmetic",
        package="overhead",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch"),
        rows=[{"variables": count} for count in (10, 100, 400, 2000)],
        quick=[{"variables": 3}],
        metrics=("time", "calls"),
        tolerance=1e-4,
        checks=3,
        targets={"time": {"raw JAX": Target(1.15)}},
    ),
]
