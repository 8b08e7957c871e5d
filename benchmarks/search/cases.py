"""The case of beam search."""

from benchmarks.case import Case, Target
from benchmarks.search import Problem

BATCHED = "Lamina: loop in Python, all rows"
ROW_BY_ROW = "Lamina: loop in Python, row by row"

CASES = [
    Case(
        name="beam",
        title="Beam search, per sentence, compared with Python loops over compiled steps",
        package="search",
        problem=Problem,
        contenders={"Lamina": "compiled", BATCHED: "by_steps", ROW_BY_ROW: "row_by_row"},
        rows=[{"batch": 16, "length": 32, "beam": 5}],
        quick=[{"batch": 2, "source": 3, "length": 4, "beam": 2, "vocabulary": 20, "units": 8}],
        tolerance=1e-4,
        targets={"time": {ROW_BY_ROW: Target(0.2)}},
    )
]
