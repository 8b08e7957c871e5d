"""The case of the server."""

from benchmarks.case import Case, Target
from benchmarks.serving import Problem

ONE_CLIENT = "Lamina: one client at a time"

CASES = [
    Case(
        name="serve",
        title="`lamina translate serve`, per request, many clients compared with one at a time",
        package="serving",
        problem=Problem,
        contenders={"Lamina": "together", ONE_CLIENT: "alone"},
        rows=[
            {"clients": 16, "units": 64},
            {"clients": 16, "units": 256, "vocabulary": 4000},
            {"clients": 64, "requests": 1280, "units": 64},
        ],
        quick=[{"clients": 2, "requests": 8, "length": 16, "units": 8}],
        tolerance=1e-3,
        targets={"time": {ONE_CLIENT: Target(0.25)}},
    )
]
