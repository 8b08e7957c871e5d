"""Cases of convolutional networks."""

from benchmarks.case import Case, Target, everyone
from benchmarks.convnet import Problem

ROWS = [
    {"net": "plain"},
    {"net": "ResNet-18", "batch": 16, "size": 64},
    {"net": "depthwise-separable"},
    {"net": "1D", "batch": 32, "size": 1024},
]
QUICK = [
    {"net": "plain", "batch": 2, "size": 8},
    {"net": "ResNet-18", "batch": 2, "size": 32},
    {"net": "depthwise-separable", "batch": 2, "size": 16},
    {"net": "1D", "batch": 2, "size": 32},
]

CASES = [
    Case(
        name="convnet-forward",
        title="Compiled forward, convolutional networks",
        package="convnet",
        problem=Problem,
        contenders=everyone("forward", "Keras", "Flax NNX", "PyTorch")
        | {"PyTorch: channels last": "channels_last_forward"},
        rows=ROWS,
        quick=QUICK,
        tolerance=1e-4,
        targets={"time": {"PyTorch": Target(0.9)}},
    ),
    Case(
        name="convnet-step",
        title="Single train step, convolutional networks, Adam",
        package="convnet",
        problem=Problem,
        contenders=everyone("step", "Keras", "Flax NNX", "PyTorch")
        | {"PyTorch: channels last": "channels_last_step"},
        rows=ROWS,
        quick=QUICK,
        tolerance=1e-2,
        targets={"time": {"PyTorch": Target(1.0)}},
        headline=True,
    ),
]
