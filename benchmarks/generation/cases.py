"""The case of generation."""

from benchmarks.case import Case, Target
from benchmarks.generation import Problem

HUGGING_FACE = "Hugging Face"
SMALL = {
    "prompt": 5, "new": 6, "blocks": 2, "features": 16, "heads": 2, "vocabulary": 50,
    "positions": 16,
}  # fmt: skip

CASES = [
    Case(
        name="generation",
        title="Generation by GPT-2 (124M), 64 new tokens after 32, per token",
        package="generation",
        problem=Problem,
        contenders={"Lamina": "generate", HUGGING_FACE: "generate"},
        rows=[{"batch": batch, "beams": beams} for batch in (1, 16) for beams in (1, 4)],
        quick=[{"batch": batch, "beams": beams} | SMALL for batch in (1, 3) for beams in (1, 4)],
        tolerance=0.0,
        targets={"time": {HUGGING_FACE: Target(0.5)}},
        headline=True,
    )
]
