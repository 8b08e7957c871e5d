"""Cases of opening models of Keras."""

from benchmarks.case import Case, Target
from benchmarks.opening import Problem

QUICK = [{"blocks": 2, "units": 16, "batch": 4}]

CASES = [
    Case(
        name="open-keras",
        title="Open a model of Keras, 300 layers, 502 MB",
        package="opening",
        problem=Problem,
        contenders={"Lamina": "open_file", "Keras": "open_file"},
        rows=[{"blocks": 100, "units": 1120}],
        quick=QUICK,
        metrics=("time", "peak"),
        tolerance=0.0,
        targets={"time": {"Keras": Target(0.5)}, "peak": {"Keras": Target(1.0)}},
    ),
    Case(
        name="open-keras-predict",
        title="Predict with a model of Keras, 300 layers",
        package="opening",
        problem=Problem,
        contenders={"Lamina": "predict", "Keras": "predict"},
        rows=[{"blocks": 100, "units": 1120}],
        quick=QUICK,
        tolerance=1e-4,
        targets={"time": {"Keras": Target(1.0)}},
    ),
]
