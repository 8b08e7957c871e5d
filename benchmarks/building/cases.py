"""Cases of building and planning."""

from benchmarks.building import PerLayer, Problem
from benchmarks.case import Case, Target, everyone

PEERS = "Keras", "Flax NNX", "Equinox", "PyTorch"

CASES = [
    Case(
        name="build-many",
        title="Build 100 x Dense(64), first build of the process",
        package="building",
        problem=Problem,
        contenders=everyone("build", *PEERS),
        rows=[{"layers": 100, "units": 64}],
        quick=[{"layers": 3, "units": 4}],
        metrics=("first",),
        tolerance=0.0,
        targets={"first": {"Keras": Target(0.12)}},
        headline=True,
    ),
    Case(
        name="build-large",
        title="Build 24 x Dense(2048)",
        package="building",
        problem=Problem,
        contenders=everyone("build", *PEERS) | {"NumPy: allocating the weights": "build"},
        rows=[{"layers": 24, "units": 2048}],
        quick=[{"layers": 2, "units": 512}],
        metrics=("first", "peak"),
        tolerance=0.0,
        targets={
            "first": {"Keras": Target(0.7)},
            "peak": {"NumPy: allocating the weights": Target(1.15)},
        },
        headline=True,
    ),
    Case(
        name="plan-depth",
        title="Plan by depth, per layer; raw JAX traces the same products once",
        package="building",
        problem=PerLayer,
        contenders=everyone("plan", "raw JAX"),
        rows=[{"layers": count, "units": 8} for count in (10, 100, 1000, 10000)],
        quick=[{"layers": count, "units": 8} for count in (2, 20)],
        metrics=("time", "calls"),
        tolerance=0.0,
    ),
    Case(
        name="build-depth",
        title="Build by depth, per layer",
        package="building",
        problem=PerLayer,
        contenders=everyone("build", *PEERS),
        rows=[{"layers": count, "units": 8} for count in (10, 100, 1000)],
        quick=[{"layers": count, "units": 8} for count in (2, 20)],
        tolerance=0.0,
    ),
    Case(
        name="build-deep",
        title="Build a very deep model, per layer",
        package="building",
        problem=PerLayer,
        contenders=everyone("build", "Equinox", "PyTorch"),  # the others take minutes or fail
        rows=[{"layers": 10000, "units": 8}],
        quick=[{"layers": 40, "units": 8}],
        tolerance=0.0,
    ),
    Case(
        name="build-width",
        title="Build by width, 10 layers",
        package="building",
        problem=Problem,
        contenders=everyone("build", *PEERS),
        rows=[{"layers": 10, "units": units} for units in (16, 64, 256, 1024, 2048)],
        quick=[{"layers": 2, "units": units} for units in (4, 8)],
        tolerance=0.0,
    ),
]
