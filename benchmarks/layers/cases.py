"""Cases of single layers."""

from typing import Any

from benchmarks.case import Case, Target, everyone, label
from benchmarks.layers import Convolution, Problem, Recurrent
from benchmarks.layers.table import ENTRIES

DETERMINISTIC = [name for name, entry in ENTRIES.items() if not entry.random]
RANDOM = [name for name, entry in ENTRIES.items() if entry.random]

RECURRENT = [
    {"layer": layer, "batch": batch, "time": time, "units": units}
    for layer in ("GRU", "LSTM")
    for batch, time, units in (
        (1, 64, 128),
        (32, 16, 128),
        (32, 64, 128),
        (32, 64, 512),
        (32, 16, 1024),
        (128, 64, 128),
        (32, 256, 128),
        (32, 512, 64),
    )
]
TINY = [
    {"layer": layer, "batch": 2, "time": 3, "units": units}
    for layer in ("GRU", "LSTM")
    for units in (4, 8)
]

CONVOLUTIONS = [
    {"layer": layer, "batch": batch, "points": points, "channels": channels, "filters": filters}
    | {"kernel": kernel}
    | options
    for layer, batch, points, channels, filters, kernel, options in (
        ("Conv2D", 64, 32, 3, 32, 3, {}),
        ("Conv2D", 64, 32, 32, 32, 3, {}),
        ("Conv2D", 64, 16, 64, 64, 3, {}),
        ("Conv2D", 64, 8, 128, 128, 3, {}),
        ("Conv2D", 16, 4, 512, 512, 3, {}),
        ("Conv2D", 16, 56, 64, 64, 3, {}),
        ("Conv2D", 32, 28, 1, 32, 3, {"padding": "valid"}),
        ("Conv2D", 32, 28, 6, 16, 5, {"padding": "valid"}),
        ("Conv2D", 1, 64, 32, 32, 3, {}),
        ("Conv2D", 32, 32, 32, 64, 3, {"strides": 2}),
        ("Conv2D", 16, 16, 128, 256, 3, {"strides": 2}),
        ("Conv2D", 16, 64, 3, 64, 7, {"strides": 2}),
        ("Conv2D", 8, 128, 3, 96, 4, {"strides": 4, "padding": "valid"}),
        ("Conv2D", 32, 16, 64, 256, 1, {}),
        ("Conv2D", 32, 16, 256, 64, 1, {}),
        ("Conv2D", 32, 16, 64, 128, 1, {"strides": 2}),
        ("Conv2D", 16, 32, 32, 32, 3, {"dilation": 2}),
        ("Conv2D", 8, 32, 64, 64, 3, {"dilation": 4}),
        ("Conv2D", 16, 32, 64, 64, 3, {"groups": 4}),
        ("Conv2D", 16, 16, 128, 128, 3, {"groups": 32}),
        ("Conv2D", 32, 32, 32, 32, 3, {"layout": "channels_first"}),
        ("Conv1D", 32, 1024, 64, 64, 3, {}),
        ("Conv1D", 32, 1024, 16, 64, 9, {}),
        ("Conv1D", 16, 1024, 64, 64, 3, {"dilation": 8, "padding": "causal"}),
        ("Conv1D", 8, 16000, 1, 64, 10, {"strides": 5, "padding": "valid"}),
        ("Conv1D", 32, 128, 256, 256, 3, {}),
        ("Conv3D", 4, 16, 16, 32, 3, {}),
        ("Conv3D", 4, 16, 16, 32, 3, {"strides": 2}),
        ("DepthwiseConv2D", 32, 32, 64, 0, 3, {}),
        ("DepthwiseConv2D", 32, 8, 256, 0, 3, {}),
        ("DepthwiseConv2D", 32, 32, 64, 0, 3, {"strides": 2}),
        ("DepthwiseConv2D", 8, 28, 96, 0, 7, {}),
        ("DepthwiseConv2D", 16, 32, 32, 0, 3, {"multiplier": 2}),
        ("DepthwiseConv1D", 8, 512, 128, 0, 31, {}),
        ("SeparableConv2D", 32, 32, 32, 64, 3, {}),
        ("Conv2DTranspose", 32, 16, 64, 32, 3, {"strides": 2}),
        ("Conv2DTranspose", 32, 7, 256, 64, 5, {"strides": 2}),
        ("Conv2DTranspose", 16, 16, 32, 32, 5, {}),
        ("Conv1DTranspose", 32, 256, 64, 64, 4, {"strides": 2}),
        ("Conv3DTranspose", 4, 8, 32, 16, 3, {"strides": 2}),
    )
]


def _tiny(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a convolution with few points and channels."""
    few = {"batch": 2, "points": 36, "channels": 4, "filters": 4 if row["filters"] else 0}
    groups = {"groups": 2} if "groups" in row else {}
    return row | few | groups


def _case(
    name: str,
    title: str,
    function: str,
    layers: list[str],
    tolerance: float | None,
    processes: int = 1,
) -> Case:
    return Case(
        name=name,
        title=title,
        package="layers",
        problem=Problem,
        contenders=everyone(function, "Keras"),
        rows=[{"layer": layer} for layer in layers],
        quick=[{"layer": layer, "batch": 2} for layer in layers],
        tolerance=tolerance,
        processes=processes,
    )


CASES = [
    _case("layers-forward", "Layers, forward", "forward", DETERMINISTIC, 1e-4, 5),
    _case("layers-both", "Layers, forward and backward", "both", DETERMINISTIC, 1e-3, 3),
    _case(
        "layers-random", "Layers with random numbers, forward and backward", "both", RANDOM, None
    ),
    Case(
        name="convolutions",
        title="Convolution layers, forward and backward, by size",
        package="layers",
        problem=Convolution,
        contenders=everyone("both", "Keras"),
        rows=CONVOLUTIONS,
        quick=list({label(row): row for row in map(_tiny, CONVOLUTIONS)}.values()),
        tolerance=1e-3,
        targets={"time": {"Keras": Target(1.05)}},
    ),
    Case(
        name="recurrent",
        title="GRU and LSTM, forward and backward, by size",
        package="layers",
        problem=Recurrent,
        contenders=everyone("both", "Keras"),
        rows=RECURRENT,
        quick=TINY,
        tolerance=1e-3,
        targets={"time": {"Keras": Target(0.8)}},
    ),
    Case(
        name="recurrent-gpu",
        title="GRU and LSTM on a GPU, forward and backward, by size; PyTorch uses cuDNN",
        package="layers",
        problem=Recurrent,
        contenders=everyone("both", "Keras", "PyTorch"),
        rows=RECURRENT,
        quick=TINY,
        tolerance=1e-3,
        targets={"time": {"Keras": Target(0.8), "PyTorch": Target(1.0)}},
        optional=True,
        device="gpu",
    ),
]
