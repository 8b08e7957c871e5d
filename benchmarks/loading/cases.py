"""Cases of loading."""

from benchmarks.case import Case, Target
from benchmarks.loading import Problem

READING = "NumPy: reading the file"
CONTENDERS = {
    "Lamina": "load",
    "Lamina: build, then load": "build_and_load",
    READING: "load",
    "Keras": "load",
    "PyTorch": "load",
}
TARGETS = {"time": {READING: Target(1.2)}, "peak": {READING: Target(1.15)}}
QUICK = [{"layers": 2, "units": 64}]

CASES = [
    Case(
        name="load",
        title="Load a checkpoint of 268 MB into an unbuilt model",
        package="loading",
        problem=Problem,
        contenders=CONTENDERS,
        rows=[{"layers": 16, "units": 2048}],
        quick=QUICK,
        metrics=("time", "peak"),
        tolerance=0.0,
        targets=TARGETS,
    ),
    Case(
        name="load-large",
        title="Load a checkpoint of 1.07 GB into an unbuilt model",
        package="loading",
        problem=Problem,
        contenders=CONTENDERS,
        rows=[{"layers": 64, "units": 2048}],
        quick=QUICK,
        metrics=("time", "peak"),
        tolerance=0.0,
        targets=TARGETS,
        optional=True,
    ),
]
