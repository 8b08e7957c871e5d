"""Cases of programs for Keras."""

from benchmarks.case import Case, Target
from benchmarks.programs import Problem

PROGRAMS = ("images", "texts", "autoencoder", "adversarial", "transformer")

CASES = [
    Case(
        name="programs",
        title="Programs for Keras on JAX, with their import lines changed, per step of an epoch",
        package="programs",
        problem=Problem,
        contenders={"Lamina": "run", "Keras": "run"},
        rows=[{"program": name} for name in PROGRAMS],
        quick=[{"program": name, "batches": 2, "batch": 4} for name in PROGRAMS],
        metrics=("time", "first"),
        tolerance=None,  # each library draws its own weights and noise
        targets={"time": {"Keras": Target(0.9)}, "first": {"Keras": Target(0.8)}},
    )
]
