"""Cases of a decoder-only transformer of 4 blocks."""

from benchmarks.case import Case, Target, everyone
from benchmarks.decoder import Problem

ROWS = [
    {"batch": 16, "time": 128, "features": 256, "vocabulary": 4096},
    {"batch": 4, "time": 512, "features": 256, "vocabulary": 4096},
    {"batch": 8, "time": 128, "features": 512, "vocabulary": 8192},
]
QUICK = [{"batch": 2, "time": 8, "features": 16, "vocabulary": 32}]

CASES = [
    Case(
        name="decoder-forward",
        title="Compiled forward, decoder-only transformer",
        package="decoder",
        problem=Problem,
        contenders=everyone("forward", "raw JAX", "Keras", "Flax NNX", "PyTorch"),
        rows=ROWS,
        quick=QUICK,
        tolerance=1e-4,
        targets={"time": {"PyTorch": Target(0.9)}},
    ),
    Case(
        name="decoder-step",
        title="Single train step, decoder-only transformer, Adam",
        package="decoder",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "Flax NNX", "PyTorch"),
        rows=ROWS,
        quick=QUICK,
        tolerance=1e-2,
        checks=3,
        targets={"time": {"PyTorch": Target(0.85)}},
        headline=True,
    ),
]
