"""The page of Keras's public names: which ones Lamina has, which differ, and what serves instead.

``python -m tests.compat.keras_names`` writes it.
"""

import importlib
import inspect
import os
import pkgutil
import typing
from collections import defaultdict
from pathlib import Path
from typing import Any

from lamina.compat import keras as ours
from lamina.compat.keras.missing import DIFFERS, INSTEAD
from lamina.compat.missing import instead_of

__all__ = ["PAGE", "keras_names", "page", "standing"]

PAGE = Path(__file__).parents[2] / "docs" / "keras-names.md"

INTRODUCTION = """\
# The names of Keras 3

Programs for Keras 3 run on Lamina with their import lines changed:
`from lamina.compat import keras` in place of `import keras`, and
`from lamina.compat.keras import layers` in place of `from keras import layers`.

```python
from lamina.compat import keras

inputs = keras.Input((4,))
hidden = keras.layers.Dense(8, activation="relu")(inputs)
model = keras.Model(inputs, keras.ops.softmax(keras.layers.Dense(2)(hidden)))
model.compile("adam", "sparse_categorical_crossentropy")
print(model.count_params())
```

```text
58
```

A name that Lamina does not have is an error that says what serves instead. This page lists all
public names of Keras {version}, from Keras itself: {served} are served with Keras's arguments,
{differing} differ, and {missing} are not served. `make names` writes it again.
"""

Standing = tuple[str, str]
"""Served, Differs or Not served, and how it differs or what serves instead."""


def keras_names() -> dict[str, list[str]]:
    """The public names of Keras by the modules that have them, without modules."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = importlib.import_module("keras")
    found: dict[str, list[str]] = {}
    for name in _modules(keras):
        module = importlib.import_module(name)
        public = [one for one in dir(module) if not one.startswith("_")]
        public = [one for one in public if not inspect.ismodule(getattr(module, one))]
        if public:
            found[name] = public
    return found


def _modules(package: Any) -> list[str]:
    """A package and the public modules below it, without those of its inside."""
    found = [package.__name__]
    for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        last = one.name.rpartition(".")[2]
        if last != "src" and not last.startswith("_"):
            below = importlib.import_module(one.name)
            found += _modules(below) if one.ispkg else [one.name]
    return found


def standing(module: str, name: str) -> Standing:
    """Where a name stands."""
    full = f"{module}.{name}"
    try:
        own = getattr(_module(module), name)
    except AttributeError:
        remedy = instead_of(full, INSTEAD)
        assert remedy is not None, f"{full} is missing, and no entry of INSTEAD says why"
        return "Not served", remedy
    how = instead_of(full, DIFFERS)
    left = _left_out(own, getattr(importlib.import_module(module), name))
    if left:
        left_out = f"without {', '.join(f'`{one}`' for one in left)}"
        how = left_out if how is None else f"{how}; {left_out}"
    return ("Served", "") if how is None else ("Differs", how)


def _module(name: str) -> Any:
    found: Any = ours
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def _left_out(own: Any, theirs: Any) -> list[str]:
    """The arguments that Keras's function or class has, and Lamina's has not."""
    try:
        wanted, given = inspect.signature(theirs), inspect.signature(own)
    except (TypeError, ValueError):
        return []
    names = set(given.parameters)
    for one in given.parameters.values():
        if one.kind is not one.VAR_KEYWORD:
            continue
        options = typing.get_args(one.annotation)
        if not options:
            return []  # any name
        names |= set(typing.get_type_hints(options[0]))
    fixed = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        one.name
        for one in wanted.parameters.values()
        if one.name not in names and one.kind not in fixed
    ]


def page() -> str:
    """The text of the page."""
    counts: defaultdict[str, int] = defaultdict(int)
    parts: list[str] = []
    for module, names in keras_names().items():
        grouped: defaultdict[Standing, list[str]] = defaultdict(list)
        for name in names:
            kind, how = standing(module, name)
            counts[kind] += 1
            grouped[kind, how].append(f"`{name}`")
        lines = [f"## {module}", ""]
        for kind in ("Served", "Differs", "Not served"):
            for (found, how), given in grouped.items():
                if found == kind:
                    listed = ", ".join(given)
                    lines.append(f"- {kind}: {listed}" + (f": {how.rstrip('.')}." if how else "."))
        parts.append("\n".join(lines) + "\n")
    introduction = INTRODUCTION.format(
        version=importlib.import_module("keras").__version__,
        served=counts["Served"],
        differing=counts["Differs"],
        missing=counts["Not served"],
    )
    return "\n".join([introduction, *parts])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
