"""Cases of the multilayer perceptron."""

from benchmarks.case import Case, Target, everyone
from benchmarks.mlp import Problem

FIT = {
    "Lamina": "fit",
    "raw JAX": "fit",
    "raw JAX: epoch in one scan": "fit_by_scan",
    "Keras": "fit",
    "Keras: steps_per_execution": "fit_many_at_once",
    "Keras on TensorFlow": "fit",
}

CASES = [
    Case(
        name="forward",
        title="Compiled forward, MLP 784-256-256-10",
        package="mlp",
        problem=Problem,
        contenders=everyone("forward", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch")
        | {"Keras: model(x)": "forward_called"},
        rows=[{"batch": 1}],
        quick=[{"batch": 1, "hidden": 32}],
        metrics=("time", "calls"),
        targets={"time": {"raw JAX": Target(1.5)}},
        headline=True,
    ),
    Case(
        name="step",
        title="Single train step, MLP 784-256-256-10, Adam",
        package="mlp",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch")
        | {"Keras: train_on_batch": "step_on_batch"},
        rows=[{"batch": 64}],
        quick=[{"batch": 8, "hidden": 32}],
        metrics=("time", "calls"),
        tolerance=1e-4,
        checks=3,
        targets={"time": {"raw JAX": Target(1.1)}},
        headline=True,
    ),
    Case(
        name="step-gpu",
        title="Single train step on a GPU, MLP 784-256-256-10, Adam",
        package="mlp",
        problem=Problem,
        contenders=everyone("step", "raw JAX", "Keras", "Flax NNX", "Equinox", "PyTorch")
        | {"Keras: train_on_batch": "step_on_batch", "PyTorch: compiled": "compiled_step"},
        rows=[{"batch": 64}],
        quick=[{"batch": 8, "hidden": 32}],
        tolerance=1e-4,
        checks=3,
        targets={"time": {"raw JAX": Target(1.1)}},
        headline=True,
        optional=True,
        device="gpu",
    ),
    Case(
        name="fit",
        title="`fit` on in-memory arrays, MLP 784-256-256-10, per step",
        package="mlp",
        problem=Problem,
        contenders=FIT,
        rows=[{"batch": 64, "batches": 100, "epochs": 3}],
        quick=[{"batch": 8, "batches": 4, "epochs": 2}],
        tolerance=5e-3,  # 300 steps with different summation orders
        targets={"time": {"raw JAX": Target(1.0), "Keras": Target(0.75)}},
        headline=True,
    ),
    Case(
        name="fit-memory",
        title="Peak memory of `fit` on in-memory arrays, MLP 784-256-256-10",
        package="mlp",
        problem=Problem,
        contenders={"Lamina": "fit", "raw JAX": "fit", "Keras": "fit"},
        rows=[{"batch": 64, "batches": 1000}],
        quick=[{"batch": 8, "batches": 4}],
        metrics=("process", "peak"),
        tolerance=1e-3,
        targets={"process": {"raw JAX": Target(1.1)}},
    ),
]
