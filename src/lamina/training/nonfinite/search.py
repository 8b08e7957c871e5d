"""Where numbers stopped being finite: the step is run again, and every layer is looked at."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import leaves_of
from lamina.core.calling.root import Root
from lamina.core.calling.single_layer import seen_now
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import frozen_variables, walk
from lamina.errors import InputError, LaminaError, explain
from lamina.training.nonfinite import id_ranges
from lamina.training.nonfinite.gradients import Called, bad, origin
from lamina.training.step.objective import Objective, Verdict

__all__ = ["NotFiniteError", "checked_mode", "error"]


class NotFiniteError(LaminaError, ArithmeticError):
    """A loss or a gradient was infinite or not a number; the weights are those before that step.

    Attributes:
        step: which it was, counted from 1 over all steps of the trainer.
        batch: the index of its batch in its epoch, counted from 0.
        path: of the layer where it began; None where that is no layer.
    """

    step: int = 0
    batch: int = 0
    path: str | None = None


class Found(NamedTuple):
    """What was found: a sentence on it, the remedy, and the layer's path if it is one."""

    what: str
    remedy: str
    path: str | None = None
    of: str = "loss"


def checked_mode(given: str) -> str:
    """What is to come of a loss or a gradient that is not finite."""
    if given not in ("raise", "stop", "ignore"):
        raise InputError(
            explain(
                "on_nonfinite says something unknown.",
                expected="'raise', 'stop' or 'ignore'",
                received=repr(given),
                remedy="Leave it out for an error that says where the numbers went wrong.",
            )
        )
    return given


def error(
    model: Tracked, objective: Objective, batch: Any, key: Any, count: int, index: int
) -> NotFiniteError:
    """The error that names the first thing in the step that was not finite.

    Args:
        model: the layer, on the weights from before the step.
        objective: what is minimised.
        batch: of the step.
        key: of the step.
        count: how many steps were made before it.
        index: of the batch in its epoch.
    """
    found = _first(model, objective, batch, key)
    told = NotFiniteError(
        explain(
            f"The {found.of} is not finite at step {count + 1}, on batch {index} of its epoch: "
            f"{found.what}.",
            where=f"{type(model).__name__}, made at {model._lamina.made_at}",
            expected="finite numbers; batches are counted from 0",
            received="inf or nan; the weights are those before this step",
            remedy=found.remedy,
        )
    )
    told.step, told.batch, told.path = count + 1, index, found.path
    return told


def _first(model: Tracked, objective: Objective, batch: Any, key: Any) -> Found:
    if bad(batch):
        return Found(f"the batch itself holds {_rows(batch)}", "Clean the data before training.")
    for path, variable in walk(model).variables.values():
        if bad(variable.stored()):
            what = (
                f"the weight {path!r} is not finite, from the gradients of the step before, of "
                "which only the edges are checked"
            )
            return Found(what, _CLIP, path.rpartition(".")[0])
    calls: list[Called] = []
    found: list[Found] = []
    given: dict[str, Any] = {}

    def watch(path: str, kind: str, inputs: Any, outputs: Any) -> None:
        seen, given[path] = seen_now(), outputs
        calls.append(Called(path, kind, seen, inputs))
        if not found and bad(outputs):
            reason = "" if bad(inputs) else id_ranges.of_ids(seen.layer, inputs)
            what = f"the first output that is not finite is that of {calls[-1].label}{reason}"
            remedy = "Let token ids lie in that range." if reason else _LOOK
            found.append(Found(what, remedy, path))

    root = Root(model, objective, (batch,), {"training": True, "rng": key})
    root.watched(watch)
    if found:
        return found[0]
    return _in_loss(objective, root, batch, given.get("")) or _in_gradients(model, root, calls)


_CLIP = "Lower the learning rate, or clip gradients: compile(..., global_clipnorm=1.0)."
_LOOK = "Look at what this layer is given, and at its weights."


def _in_loss(objective: Objective, root: Root, batch: Any, outputs: Any) -> Found | None:
    """What is wrong where every output is finite and the loss is not; None if the loss is."""
    verdict: Verdict = root.dry_run()
    if not bad(verdict.loss):
        return None
    outside = id_ranges.of_labels(objective, batch, outputs)
    if outside:
        return Found(f"every layer's output is finite, but {outside}", "Correct the labels.")
    return Found(
        "every layer's output is finite, so it is the loss itself",
        "See that labels lie in the range the loss expects, and use losses from logits.",
    )


def _in_gradients(model: Tracked, root: Root, calls: list[Called]) -> Found:
    tree = walk(model)
    label = origin(tree, calls)
    if label is not None:
        what = f"the loss is finite, but not the derivative of {label} at what it was given"
        return Found(what, _SMOOTH, label.rpartition(" (")[0], "gradient")
    frozen = frozen_variables(tree)
    kept = {key: (p, v) for key, (p, v) in tree.variables.items() if key not in frozen}
    given = {key: v.stored() for key, (_, v) in tree.variables.items()}

    def loss(weights: dict[int, Any]) -> Any:
        return root.apply(given | weights)[0].loss

    slopes = cast(Any, jax.grad(loss)({key: v.stored() for key, (_, v) in kept.items()}))
    paths = [path for key, (path, _) in kept.items() if bad(slopes[key])]
    named = f"the gradient of the weight {paths[-1]!r} is not" if paths else "a gradient is not"
    path = paths[-1].rpartition(".")[0] if paths else None
    return Found(f"the loss is finite, but {named}", _CLIP, path, "gradient")


_SMOOTH = (
    "Keep inputs from where the derivative is infinite: jnp.sqrt(x + 1e-6), or jnp.where around "
    "the argument as well as around the result."
)


def _rows(batch: Any) -> str:
    """In which array of a batch, and where, the first numbers are that are not finite."""
    for index, leaf in enumerate(leaves_of(batch)):
        if not hasattr(leaf, "dtype") or is_traced(leaf) or not bad(leaf):
            continue
        place = np.argwhere(~np.isfinite(np.asarray(leaf, np.float32)))[0].tolist()
        return f"inf or nan, first at {place} of its array {index}, of shape {jnp.shape(leaf)}"
    return "inf or nan"
