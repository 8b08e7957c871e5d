"""Cases of training in half precision."""

from benchmarks.case import Case, everyone
from benchmarks.half import Problem

MODELS = "MLP", "conv net", "transformer"

CASES = [
    Case(
        name="half-step",
        title="Single train step in float32, over steps with products in bfloat16",
        package="half",
        problem=Problem,
        contenders=everyone("step", "PyTorch")
        | {
            "Lamina: mixed_bfloat16": "bfloat16_step",
            "PyTorch: autocast to bfloat16": "bfloat16_step",
        },
        rows=[
            {"model": "MLP", "batch": 256},
            {"model": "conv net", "batch": 64},
            {"model": "transformer", "batch": 16},
        ],
        quick=[{"model": name, "batch": 4, "small": True} for name in MODELS],
        tolerance=5e-2,
    ),
]
