"""Files changed at random, the same for the same seed: in their bytes, or in what they say."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["mutated_json", "mutated_tensors", "tensors", "written"]

NUMBERS = [0, 1, -1, 2, 3, 7, 255, 65_536, 10**6, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 0.5]
NUMBERS += [-0.0, 1e308, 5e-324, True, False, None]

TEXTS = [
    "", "x", "_", "..", "0", "call", "build", "save", "export", "add_weight", "__init__", "train",
    "float32", "int4", "object", "O", "S999999999", "key<rbg>", "inf", "nan", "relu", "\ud800",
    "\x00", "a" * 5_000, "layer", "class", "function", "partial", "array", "same", "dataclass",
    "namedtuple", "spec", "initializer", "tuple", "dict", "scalar", "jax array", "dtype",
    "os:system", "builtins:eval", "jax.numpy:load", "jax.numpy:tanh", "subprocess:Popen",
    "lamina.activations:jax.version.os.popen", "lamina.lazy:importlib.import_module",
    "lamina.layers.dense:Dense", "lamina.layers.functions:Lambda",
    "lamina.layers.recurrent.gru:GRU",
    "lamina.models.sequential:Sequential", "lamina.models.symbol:Operation",
    "lamina.models.graph:Step", "lamina.activations.functions:relu",
]  # fmt: skip


def _deep(rng: random.Random) -> Any:
    value: Any = rng.choice([[], {}, 0])
    for _ in range(rng.choice([3, 50, 150, 400])):
        value = [value] if rng.random() < 0.5 else {"is": value}
    return value


def _many(rng: random.Random) -> Any:
    return [rng.choice([0, "", None, [], {"is": "tuple", "items": []}])] * rng.choice([9, 3_000])


VALUES: list[Callable[[random.Random], Any]] = [
    lambda rng: rng.choice(NUMBERS),
    lambda rng: rng.choice(NUMBERS),
    lambda rng: rng.choice(TEXTS),
    lambda rng: rng.choice(TEXTS),
    lambda rng: rng.choice([[], {}, [[]], [0], {"a": 1}]),
    lambda rng: {"is": rng.choice(TEXTS)},
    lambda rng: {"is": "spec", "shape": [rng.choice(NUMBERS), None], "dtype": "float32"},
    _deep,
    _many,
]


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Each list or object with each of its indices or names."""
    pending = [value]
    while pending:
        one = pending.pop()
        items = one.items() if isinstance(one, dict) else enumerate(one)
        for key, inner in items:
            found.append((one, key))
            if isinstance(inner, dict | list):
                pending.append(inner)
    return found


def mutated_json(value: Any, rng: random.Random) -> Any:
    """The value with one to three of its parts changed."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = _places(root, [])
        holder, key = rng.choice(places)
        other, other_key = rng.choice(places)
        change = rng.randrange(6)
        if change == 0 and isinstance(holder, dict):
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = holder.pop(key)
        elif change == 2:
            holder[key] = copy.deepcopy(other[other_key])
        elif change == 3 and isinstance(holder, list):
            holder[key:key] = [copy.deepcopy(holder[key])] * rng.choice([1, 2, 100])
        else:
            holder[key] = rng.choice(VALUES)(rng)
        if not root or not isinstance(root[0], dict | list):
            return root[0] if root else None
    return root[0]


def tensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and the bytes behind it."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def written(header: Any, body: bytes) -> bytes:
    """A safetensors file of a header and what stands behind it."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """The bytes with some flipped, cut off, left out, doubled or overwritten."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(changed)) if changed else 0
        if rng.random() < 0.5:
            at = min(at, rng.randrange(600))  # where headers are
        size = rng.choice([1, 1, 2, 8, 100])
        change = rng.randrange(6)
        if change == 0:
            del changed[at:]
        elif change == 1:
            del changed[at : at + size]
        elif change == 2:
            changed[at:at] = changed[at : at + size]
        elif change == 3:
            changed[at : at + size] = rng.randbytes(size)
        elif changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def mutated_tensors(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file of Lamina's, changed in its bytes, its header or its description."""
    kind = rng.randrange(8)
    if kind < 2:
        return mutated_bytes(data, rng)
    header, body = tensors(data)
    if kind == 2:
        return written(mutated_json(header, rng), body)
    for name, text in list(header["__metadata__"].items()):
        header["__metadata__"][name] = json.dumps(mutated_json(json.loads(text), rng))
    return written(header, body)
