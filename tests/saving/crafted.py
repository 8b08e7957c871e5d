"""Files written by hand: what Lamina would not write, or would not write so."""

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

__all__ = [
    "DENSE",
    "FUNCTIONAL",
    "LAMBDA",
    "SEQUENTIAL",
    "array",
    "builds",
    "function",
    "graph",
    "layer",
    "partial",
    "ref",
    "spec",
    "step",
    "write",
]

DENSE, LAMBDA = "lamina.layers:Dense", "lamina.layers:Lambda"
SEQUENTIAL, FUNCTIONAL = (
    "lamina.models:Sequential",
    "lamina.models:Functional",
)


def layer(kind: str, *args: Any, number: int = 0, **kwargs: Any) -> dict[str, Any]:
    return {"is": "layer", "class": kind, "args": list(args), "kwargs": kwargs, "number": number}


def function(name: str) -> dict[str, Any]:
    return {"is": "function", "name": name}


def partial(name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"is": "partial", "function": function(name), "args": list(args), "kwargs": kwargs}


def array(dtype: str, shape: list[Any], base64: str = "") -> dict[str, Any]:
    return {"is": "array", "dtype": dtype, "shape": shape, "base64": base64}


def spec(*shape: Any, dtype: str = "float32") -> dict[str, Any]:
    return {"is": "spec", "shape": list(shape), "dtype": dtype}


def ref(step: Any, output: Any = 0) -> dict[str, Any]:
    return _tuple("lamina.models:Ref", step, output)


def step(name: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    given = {"is": "dict", "items": [[key, value] for key, value in kwargs.items()]}
    inputs = {"is": "tuple", "items": list(args)}
    return _tuple("lamina.models:Step", name, inputs, given)


def graph(layers: dict[str, Any], *steps: Any, outputs: Any = None, number: int = 99) -> Any:
    """A graph of one input of two features."""
    outputs = ref(len(steps)) if outputs is None else outputs
    parts = spec(None, 2), {"is": "tuple", "items": list(steps)}, outputs
    made = _tuple("lamina.models:Graph", *parts, {"is": "tuple", "items": [None]})
    named = {"is": "dict", "items": [[name, one] for name, one in layers.items()]}
    return layer(FUNCTIONAL, inputs=made, outputs=named, number=number)


def _tuple(kind: str, *items: Any) -> dict[str, Any]:
    return {"is": "namedtuple", "class": kind, "items": list(items)}


def builds(*args: Any, path: str = "", method: str = "call", **kwargs: Any) -> list[Any]:
    """One build, on specs; by default on one array of two features."""
    specs = {"args": list(args or [spec(None, 2)]), "kwargs": [[k, v] for k, v in kwargs.items()]}
    return [{"path": path, "method": method, "specs": specs}]


def write(path: Path, model: Any, arrays: Any = None, **metadata: Any) -> Path:
    """A file of a model or, where that is None, of weights: by default of none at all, so that
    what is let through is loaded."""
    content = {
        "format": "lamina",
        "version": 1,
        "builds": builds(),
        "aliases": {},
        "frozen_layers": [],
        "frozen_weights": [],
        "dtypes": {},
        "model": model,
    }
    save_file(arrays or {}, path, {"lamina": json.dumps(content | metadata)})
    return path
