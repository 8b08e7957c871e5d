"""Cases of the overhead of a step."""

from benchmarks.case import Case, Target, everyone
from benchmarks.overhead import Problem

CASES = [
    Case(
        name="overhead",
        title="Train step with little computation, by number of variables",
        package="overhead",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch"),
        rows=[{"variables": count} for count in (10, 100, 400)],
        quick=[{"variables": 3}],
        metrics=("time", "calls"),
        tolerance=1e-4,
        checks=3,
        targets={"time": {"raw JAX": Target(1.15)}},
        processes=3,
    ),
    Case(
        name="overhead-many",
        title="Train step with 2,000 variables; other libraries compile for minutes",
        package="overhead",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "PyTorch"),
        rows=[{"variables": 2000}],
        quick=[{"variables": 3}],
        metrics=("time", "calls"),
        tolerance=1e-4,
        checks=3,
    ),
]
