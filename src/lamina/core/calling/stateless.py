"""`Layer.stateless_call`: a call on given values of the weights, in the order of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.core.base.pytrees import as_array
from lamina.core.calling import key_states, views
from lamina.core.calling.root_call import Root
from lamina.core.running.added_losses import penalties
from lamina.core.running.keys import split_for
from lamina.core.running.scope import current, run_in
from lamina.core.tree.build_state import unbuilt
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.errors import BuildError, InputError, explain

__all__ = ["stateless_call"]


def stateless_call(
    layer: Tracked,
    trainable_variables: Sequence[Any],
    non_trainable_variables: Sequence[Any],
    *args: Any,
    return_losses: bool = False,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Call the layer on values of its variables in lists, as a pure function.

    :meth:`apply` does the same with values by path.

    Args:
        trainable_variables: the values of ``layer.trainable_variables``, in order.
        non_trainable_variables: the values of ``layer.non_trainable_variables``, in order.
        *args: the inputs of ``call``.
        return_losses: bool, whether to return the losses that layers add, and the penalties of
            weights; False by default.
        **kwargs: inputs by name, ``training`` and ``rng`` as those of ``__call__``. By default,
            `rng` comes from the key among ``non_trainable_variables``, if there is one, which is
            another one after the call; within a call or a step of training it is a new key of it.

    Returns:
        The outputs and the list of the values of ``layer.non_trainable_variables`` after the call;
        with ``return_losses`` also the list of losses.

    Raises:
        BuildError: the layer, or one in it, is not built.
        InputError: the values or the inputs do not match the layer.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> layer = layers.Dense(1)
    >>> layer.build((None, 2))
    >>> outputs, state = layer.stateless_call([jnp.ones((2, 1)), jnp.ones(1)], [], jnp.ones((3, 2)))
    >>> outputs.tolist(), state
    ([[3.0], [3.0], [3.0]], [])
    """
    if layer._lamina.built is None and unbuilt(walk(layer)):
        raise BuildError(
            explain(
                f"stateless_call of {type(layer).__name__} was called before the build.",
                where=f"made at {layer._lamina.made_at}",
                expected="a built layer",
                received="a layer that is not built",
                remedy="Call the layer or its build(...) once first.",
            )
        )
    own, kept = views.trainable_variables(layer), views.non_trainable_variables(layer)
    given = _given(layer, "trainable_variables", own, trainable_variables)
    others, keys = key_states.without_key(layer, non_trainable_variables)
    given |= _given(layer, "non_trainable_variables", kept, others)
    if keys:
        rng, keys[0] = key_states.split(layer, keys[0])
        kwargs["rng"] = rng if kwargs.get("rng") is None else kwargs["rng"]
    around = current()
    if around is not None and around.key is not None and kwargs.get("rng") is None:
        kwargs["rng"] = split_for(around.call, around.layer, around.key)
    root = Root(layer, "call", args, kwargs)
    root.ensure()
    outputs, call = run_in(None, lambda: root.run(given))
    state = [*(call.written.get(id(v), given[id(v)]) for v in kept), *keys]
    if not return_losses:
        return outputs, state
    return outputs, state, [*call.losses, *penalties(layer, lambda v: given[id(v)])]


def _given(
    layer: Tracked, name: str, variables: Sequence[Variable], values: Sequence[Any]
) -> dict[int, Any]:
    """Return the values by the identity of the variable.

    Raises:
        InputError: their number or a shape is wrong.
    """
    label = f"{type(layer).__name__}.stateless_call"
    arrays = [as_array(value, f"{label}, in {name},") for value in values]
    expected = [variable.shape for variable in variables]
    received = [None if array is None else array.shape for array in arrays]
    if received != expected:
        raise InputError(
            explain(
                f"The values of {label} do not match the {name} of the layer.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"{len(expected)} arrays of the shapes {expected}",
                received=f"{len(received)} arrays of the shapes {received}",
                remedy=f"Pass a value for each variable of layer.{name}, in order.",
            )
        )
    return {id(v): array for v, array in zip(variables, arrays, strict=True)}
