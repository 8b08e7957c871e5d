"""`keras.layers.JaxLayer` and `FlaxLayer`: functions of JAX as layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina.compat.keras.tree import map_shape_structure
from lamina.compat.tf.keras.layers import Layer
from lamina.errors import InputError, explain

__all__ = ["FlaxLayer", "JaxLayer"]

_jax: Any = jax
_Function = Callable[..., Any]


class JaxLayer(Layer):
    """A function of JAX, with its weights, as a layer.

    Args:
        call_fn: function ``(params, state, rng, inputs, training)`` by these names, of which all
            but `inputs` may be missing. It returns the outputs; with `state`, the outputs and the
            new state. `rng` is a random key in training, and None otherwise.
        init_fn: function ``(rng, inputs, training)`` by these names that returns the params; with
            `state`, the params and the state. `inputs` are ones, of size 1 where a size is open.
            Default None: `params` and `state` are given.
        params: a pytree of the trainable weights. Default None: by `init_fn`.
        state: a pytree of the other weights. Default None: by `init_fn`.
        seed: int, the seed of `init_fn`. Default None: the next of :func:`lamina.set_seed`.
        native_serialization_platforms: has no effect.
        **options: those of a layer, such as ``name``.

    Call arguments:
        inputs: an array or a pytree of arrays.
        training: bool, the training mode.

    Raises:
        InputError: a function has other arguments, or nothing gives the weights.

    >>> def init(rng, inputs):
    ...     return {"w": jax.random.normal(rng, (inputs.shape[-1], 4))}
    >>> layer = JaxLayer(lambda params, inputs: inputs @ params["w"], init)
    >>> layer(jnp.ones((2, 3))).shape, layer.params["w"].shape
    ((2, 4), (3, 4))
    """

    def __init__(
        self,
        call_fn: _Function,
        init_fn: _Function | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        native_serialization_platforms: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.call_fn, self.init_fn, self.seed = call_fn, init_fn, seed
        known = ("params", "state", "rng", "inputs", "training")
        self._call_names = _argument_names("call_fn", call_fn, known)
        weighted = {"params", "state"} & set(self._call_names)
        if init_fn is None and params is None and state is None and weighted:
            raise InputError(
                explain(
                    f"Nothing gives the weights of {type(self).__name__}.",
                    expected="init_fn, params or state",
                    received="None for all three",
                    remedy="Pass init_fn.",
                )
            )
        if init_fn is not None:
            self._init_names = _argument_names("init_fn", init_fn, ("rng", "inputs", "training"))
        self._given = params is not None or state is not None
        self._weights: dict[str, lamina.Variable] = {}
        self._structures: dict[str, Any] = {}
        if self._given:
            self._declare("params", params, trainable=True)
            self._declare("state", state, trainable=False)

    @property
    def params(self) -> Any:
        """The trainable weights in the form of `init_fn`'s result; None before the build."""
        return self._structured("params", lambda weight: weight)

    @property
    def state(self) -> Any:
        """The other weights in the form of `init_fn`'s result; None before the build."""
        return self._structured("state", lambda weight: weight)

    def build(self, input_shape: Any) -> None:
        if self._given or self.init_fn is None:
            return
        draws = _Draws(self._initial(input_shape), self.seed)
        made = draws.shapes()
        params, state = made if "state" in self._call_names else (made, None)
        count = len(_jax.tree.leaves(params))
        self._declare("params", params, trainable=True, draws=draws)
        self._declare("state", state, trainable=False, draws=draws, first=count)

    def call(self, inputs: Any, training: bool = False) -> Any:
        values: dict[str, Any] = {
            "params": self._structured("params", _value),
            "state": self._structured("state", _value),
            "inputs": inputs,
            "training": training,
        }
        if "rng" in self._call_names:
            values["rng"] = self._call_rng(training)
        made = self.call_fn(*(values[name] for name in self._call_names))
        if "state" not in self._call_names:
            return made
        outputs, state = made
        self._assign(state)
        return outputs

    def _initial(self, input_shape: Any) -> _Function:
        """`init_fn` as a function of a key."""
        function, names = cast("_Function", self.init_fn), self._init_names

        def initial(key: Any) -> Any:
            inputs = map_shape_structure(_ones, input_shape)
            given = {"rng": self._init_rng(key), "inputs": inputs, "training": True}
            return function(*(given[name] for name in names))

        return initial

    def _init_rng(self, key: Any) -> Any:
        """What `init_fn` gets as rng."""
        return key

    def _call_rng(self, training: bool) -> Any:
        """What `call_fn` gets as rng."""
        return self.rng() if training else None

    def _declare(
        self,
        kind: str,
        values: Any,
        trainable: bool,
        draws: _Draws | None = None,
        first: int = 0,
    ) -> None:
        """Declare a weight for each array of a pytree; its other leaves stay as they are."""
        leaves, structure = _jax.tree_util.tree_flatten_with_path(values)
        kept: list[Any] = []
        for number, (path, leaf) in enumerate(leaves, first):
            if not _is_array(leaf):
                kept.append(leaf)
                continue
            leaf = leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf)
            name = "/".join([kind, *map(_key, path)])
            floating = jnp.issubdtype(leaf.dtype, jnp.floating)
            given = None if draws is None else draws.leaf(number)
            self._weights[name] = self.add_weight(
                leaf.shape,
                given or lamina.initializers.Constant(np.asarray(leaf)),
                None if floating else leaf.dtype,
                trainable=trainable and bool(floating),
                name=name,
            )
            kept.append(_Weight(name))
        self._structures[kind] = None if values is None else (structure, kept)

    def _structured(self, kind: str, function: Callable[[Any], Any]) -> Any:
        found = self._structures.get(kind)
        if found is None:
            return None
        structure, leaves = found
        return _jax.tree.unflatten(
            structure,
            [function(self._weights[one.name]) if _is_weight(one) else one for one in leaves],
        )

    def _assign(self, state: Any) -> None:
        known: Any = self._structures.get("state")
        structure, leaves = known or (_jax.tree.structure(None), ())
        given, received = _jax.tree.flatten(state)
        if received != structure:
            raise InputError(
                explain(
                    f"call_fn of {type(self).__name__} returned a state of another structure.",
                    expected=str(structure),
                    received=str(received),
                    remedy="Return the state in the form that init_fn returns.",
                )
            )
        for value, leaf in zip(given, leaves, strict=True):
            if _is_weight(leaf):
                self._weights[leaf.name].assign(value)


class FlaxLayer(JaxLayer):
    """A module of `flax.linen` as a layer.

    Args:
        module: the module.
        method: the method or function to call instead of ``__call__``, with `inputs` and
            optionally `training`. Default None.
        variables: the variables of the module, as `module.init` returns them. Default None: they
            are drawn by `module.init` in the build.
        **options: those of a layer, such as ``name``.

    Call arguments:
        inputs: an array or a pytree of arrays.
        training: bool, the training mode.
    """

    def __init__(
        self,
        module: Any,
        method: Any = None,
        variables: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.module, self.method = module, method
        takes_training = "training" in inspect.signature(method or module.__call__).parameters

        def apply(params: Any, state: Any, rng: Any, inputs: Any, **mode: Any) -> Any:
            state = state or {}
            outputs, changed = module.apply(
                {**(params or {}), **state},
                inputs,
                rngs=rng,
                method=method,
                mutable=[*state],
                **mode,
            )
            return outputs, {**state, **changed}

        def initial(rng: Any, inputs: Any, **mode: Any) -> Any:
            return _divided(module.init(rng, inputs, method=method, **mode))

        def apply_in_mode(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
            return apply(params, state, rng, inputs, training=training)

        def apply_alone(params: Any, state: Any, rng: Any, inputs: Any) -> Any:
            return apply(params, state, rng, inputs)

        def initial_in_mode(rng: Any, inputs: Any, training: bool) -> Any:
            return initial(rng, inputs, training=training)

        def initial_alone(rng: Any, inputs: Any) -> Any:
            return initial(rng, inputs)

        params, state = (None, None) if variables is None else _divided(variables)
        super().__init__(
            apply_in_mode if takes_training else apply_alone,
            initial_in_mode if takes_training else initial_alone,
            params,
            state,
            **options,
        )

    def _init_rng(self, key: Any) -> Any:
        first, second = jax.random.split(key)
        return {"params": first, "dropout": second}

    def _call_rng(self, training: bool) -> Any:
        return {"dropout": self.rng()} if training else {}


def _ones(shape: Any) -> Any:
    return jnp.ones([1 if size is None else size for size in shape])


class _Weight:
    """The place of a weight among the leaves of a pytree."""

    def __init__(self, name: str) -> None:
        self.name = name


def _is_weight(leaf: Any) -> bool:
    return isinstance(leaf, _Weight)


def _value(weight: lamina.Variable) -> Any:
    return weight.value


class _Draws:
    """The leaves of one call of an initial function, which all come from one key."""

    def __init__(self, function: _Function, seed: int | None) -> None:
        self._function, self._seed = function, seed
        self._leaves: Any = None

    def shapes(self) -> Any:
        """The result as shapes and dtypes; leaves that are not arrays as they are."""
        made: list[Any] = []

        def arrays(key: Any) -> list[Any]:
            leaves, structure = _jax.tree.flatten(self._function(key))
            made[:] = [structure, leaves]
            return [leaf for leaf in leaves if _is_array(leaf)]

        specs = iter(jax.eval_shape(arrays, jax.random.key(0)))
        structure, leaves = made
        return _jax.tree.unflatten(
            structure, [next(specs) if _is_array(leaf) else leaf for leaf in leaves]
        )

    def leaf(self, number: int) -> _Function:
        """The initializer of one leaf. The first that is drawn brings the key."""

        def initializer(key: Any, shape: Any, dtype: Any) -> Any:
            leaves = self._leaves
            if leaves is None:
                chosen = key if self._seed is None else jax.random.key(self._seed)
                leaves = self._leaves = _jax.tree.leaves(self._function(chosen))
            return jnp.asarray(leaves[number], dtype)

        return initializer


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, bool | int | float) or hasattr(leaf, "dtype")


def _key(entry: Any) -> str:
    for name in ("key", "idx", "name"):
        if hasattr(entry, name):
            return str(getattr(entry, name))
    return str(entry)


def _divided(variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The trainable variables of a module of Flax, and the others."""
    state = {name: one for name, one in variables.items() if name != "params"}
    return {name: one for name, one in variables.items() if name == "params"}, state


def _argument_names(what: str, function: _Function, known: tuple[str, ...]) -> list[str]:
    names = list(inspect.signature(function).parameters)
    unknown = [name for name in names if name not in known]
    if unknown or "inputs" not in names:
        raise InputError(
            explain(
                f"{what} has other arguments than a JaxLayer passes.",
                expected=f"inputs, and any of {', '.join(known)}",
                received=", ".join(names) or "no arguments",
                remedy="Wrap the function in one with these arguments.",
            )
        )
    return names
