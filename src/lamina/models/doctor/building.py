"""Findings about models that cannot be built, or only for one batch size."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

from lamina.core.base.sites import Site, is_library
from lamina.core.building.request import Request
from lamina.core.building.transaction import make_plan
from lamina.core.specs.spec import Spec
from lamina.core.tree.node import Tracked, attributes
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, walk
from lamina.errors import LaminaError, TrackingError
from lamina.reports.diagnosis import Finding

__all__ = ["build_failure", "fixed_batch", "hidden_layers"]


def build_failure(error: Exception, root: Tracked) -> Finding:
    """Describe the error of a build of a root."""
    text, notes = str(error), getattr(error, "__notes__", ())
    path = next((note[3:] for note in notes if note.startswith("in ")), "")
    code = "build-error"
    if isinstance(error, TrackingError):
        code = "layer-in-call" if "created inside" in text else "untracked"
    elif _is_unknown_dim(error):
        code = "unknown-dim"
    lines = text.splitlines() or [""]
    symptom = lines[0] if isinstance(error, LaminaError) else f"{type(error).__name__}: {lines[0]}"
    remedy = next((one.strip()[7:].strip() for one in lines if one.startswith("  remedy:")), "")
    rest = [one for one in lines[1:] if not one.startswith("  remedy:")]
    if not isinstance(error, LaminaError):
        remedy = "Correct the line, or pass the shapes that call expects."
    where = _site_in(text) or _last_line(error)
    named = _layer_in(symptom, root)
    if named is not None:
        path, layer = named
        if type(layer).__module__.startswith("lamina."):  # its own lines are not the user's
            where = str(layer._lamina.made_at)
    return Finding(code, "error", path, "\n".join([symptom, *rest]), where, remedy)


def _layer_in(symptom: str, root: Tracked) -> tuple[str, Tracked] | None:
    """The layer whose path a message begins with; None if there is none."""
    try:
        layers = dict(walk(root).layers.values())
    except LaminaError:  # a path is ambiguous
        return None
    path = symptom.split(" ")[0]
    return (path, layers[path]) if path in layers else None


def _site_in(text: str) -> str:
    """The site that a message of Lamina names."""
    for one in text.splitlines():
        if one.startswith("  where:"):
            for start in ("made at ", "declared at ", "called at "):
                if start in one:
                    return one.partition(start)[2].split("; ")[0].split(",")[0].strip()
    return ""


def _last_line(error: BaseException) -> str:
    """The innermost line of the user's code that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if not is_library(f.filename)), None)
    return "" if last is None else str(Site(last.filename, last.lineno or 0))


def hidden_layers(tree: Tree) -> Iterator[Finding]:
    """Find layers that layers hold in ways which tracking does not see."""
    reported: set[int] = set()
    for path, layer in tree.layers.values():
        for name, value in attributes(layer).items():
            for one, place in _hidden(value, set()):
                if id(one) in tree.layers or id(one) in reported:
                    continue
                reported.add(id(one))
                kind = type(one).__name__
                yield Finding(
                    "untracked",
                    "error",
                    f"{path}.{name}" if path else name,
                    f"A {kind} is held in {place}, which tracking does not see: its weights would "
                    "be neither trained nor saved.",
                    str(one._lamina.made_at),
                    "Keep it in an attribute, a list, a tuple or a dict of a layer.",
                )


def _hidden(value: Any, seen: set[int], place: str = "") -> Iterator[tuple[Tracked, str]]:
    """Layers inside sets, closures and plain objects, with the kind of the place."""
    if id(value) in seen or len(seen) > 1000:
        return
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, Tracked):
        if place:
            yield value, place
    elif isinstance(value, Variable | str | bytes | type):
        return
    elif isinstance(value, list | tuple):
        inner = list(cast("list[Any]", value))
    elif isinstance(value, dict):
        inner = list(cast("dict[Any, Any]", value).values())
    elif isinstance(value, set | frozenset):
        inner, place = [*cast("Iterable[Any]", value)], "a set"
    elif getattr(value, "__closure__", None):
        cells = cast("tuple[Any, ...]", value.__closure__)
        inner, place = [_content(cell) for cell in cells], "a closure"
    elif hasattr(value, "__dict__") and not callable(value):
        inner, place = [*vars(value).values()], f"an object of the class {type(value).__name__}"
    for one in inner:
        yield from _hidden(one, seen, place)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def fixed_batch(request: Request) -> tuple[bool, Finding | None]:
    """Find whether a model that was given a known batch size works for no other.

    Args:
        request: a request that can be planned.

    Returns:
        Whether the first axes may have any size, and a finding if they should but do not.
    """
    specs = list(request.specs.leaves())
    if not specs or any(spec.ndim == 0 for spec in specs):
        return False, None
    firsts = {spec.shape[0] for spec in specs}
    (first, *others) = firsts
    if others:
        return False, None
    if not isinstance(first, int):
        return True, None
    error = _plan_error(request, None)
    if error is None or not _is_unknown_dim(error):
        fixed = _plan_error(request, 2 * first)
        if fixed is None or any(spec.ndim < 2 for spec in specs):
            return error is fixed is None, None
        symptom = (str(fixed).splitlines() or [""])[0]
        return False, Finding(
            "fixed-batch",
            "warning",
            "",
            f"The model works for the batch size {first}, but not for {2 * first}: {symptom}",
            _last_line(fixed) or str(request.root._lamina.made_at),
            "Use -1 or x.shape[0] in place of the number.",
        )
    if any(spec.ndim < 2 for spec in specs):
        return False, None
    found = build_failure(error, request.root)
    symptom = found.message.splitlines()[0]
    return False, replace(
        found,
        code="batch-in-weight",
        message=f"The batch size {first} has reached the shape of a weight: {symptom}",
        remedy="Do not use the first axis of the input in a weight's shape.",
    )


def _plan_error(request: Request, first: int | None) -> Exception | None:
    """The error of a plan for another size of the first axes; None if there is none."""
    specs = request.specs.map(lambda spec: Spec((first, *spec.shape[1:]), spec.dtype))
    try:
        make_plan(replace(request, specs=specs))
    except Exception as error:
        return error
    return None


def _is_unknown_dim(error: Exception) -> bool:
    return "depends on an unknown dim" in str(error)
