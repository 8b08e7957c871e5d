"""A dynamic scale of the loss, as a part of an optimizer, for training in float16."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import flatten, leaves_of, map_pairs, map_tree
from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.narrowing import array_of
from lamina.training.optimizers.applying import Applying
from lamina.training.optimizers.configs import with_config

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

_UNUSED: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
"""The options that configs of Keras have, with the only values that they have."""

__all__ = ["DynamicLossScale", "LossScale", "loss_scale_of", "loss_scale_optimizer"]


class LossScale(NamedTuple):
    """The state of :func:`loss_scale_optimizer`.

    Attributes:
        scale: the factor of the loss, a float32 scalar.
        steps: the number of updates since the factor changed, an int32 scalar.
        inner: the state of the inner optimizer.
    """

    scale: jax.Array
    steps: jax.Array
    inner: Any


class DynamicLossScale(Applying):
    """The base class of what :func:`loss_scale_optimizer` makes.

    Attributes:
        inner_optimizer: the inner optimizer.
        with_inner: returns the same transformation of another inner optimizer.
        divides: whether `apply` divides the gradients by the factor.
        was_read: whether the factor was read.
    """

    inner_optimizer: Any
    with_inner: Callable[[Any], Any]
    divides = True
    was_read = False

    def attach(self, variables: Mapping[str, Any]) -> None:
        super().attach(variables)
        inner = self.inner_optimizer
        if isinstance(inner, Applying):
            rates = [v for name, v in inner.early().items() if name.endswith("learning_rate")]
            if rates:
                inner._make_again(inner.options | {"learning_rate": float(rates[0])})
            inner.attach(variables)

    def begin(self, state: Any) -> None:
        super().begin(state)
        if isinstance(self.inner_optimizer, Applying):
            self.inner_optimizer.begin(state.inner)

    def hold(self, holder: Any, first: int = 0) -> None:
        super().hold(holder, first)
        self._checked()

    def _create(self) -> None:
        super()._create()
        self._checked()

    def _checked(self) -> list[Any]:
        cells = super()._checked()
        if isinstance(self.inner_optimizer, Applying):
            self.inner_optimizer._cells = cells[2:]  # after the factor and its count
        return cells

    def fresh(self) -> Any:
        inner = self.inner_optimizer
        return self.with_inner(inner.fresh() if isinstance(inner, Applying) else inner)

    @property
    def dynamic_scale(self) -> Any:
        """The factor of the loss, a variable."""
        self.was_read = True
        return self._cell(lambda names: "scale")

    @property
    def step_counter(self) -> Any:
        """The number of updates since the factor changed, a variable."""
        return self._cell(lambda names: "steps")

    def scale_loss(self, loss: Any) -> Any:
        return loss * self.dynamic_scale.value

    def _scale(self, state: Sequence[Any]) -> Any:
        return loss_scale_of(self.state_of(list(map(array_of, state)))) if self.divides else None


class _Described(NamedTuple):
    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class _Transformation(_Described):
    """The transformation, with the attributes of :class:`DynamicLossScale`."""

    inner_optimizer: Any
    with_inner: Callable[[Any], Any]


@functools.partial(with_config, base=DynamicLossScale)
def loss_scale_optimizer(
    inner_optimizer: optax.GradientTransformation,
    initial_scale: float = 2.0**15,
    dynamic_growth_steps: int = 2000,
    name: str = "loss_scale_optimizer",
    **others: Any,
) -> optax.GradientTransformation:
    """Scale the loss by a factor that adapts to the gradients (Micikevicius et al., 1710.03740).

    The step of training multiplies the loss by the factor and divides the gradients by it. Where a
    gradient is infinite or NaN, weights and the state of the inner optimizer stay as they are and
    the factor is halved. The factor is doubled after `dynamic_growth_steps` updates in a row.

    Args:
        inner_optimizer: an optax transformation, which gets the gradients of the loss itself.
        initial_scale: a positive number. Default 32768.
        dynamic_growth_steps: a positive integer. Default 2000.
        name: kept in the config. Default `"loss_scale_optimizer"`.
        others: `dynamic`, if it is True, and options of the inner optimizer, if they have their
            defaults: configs of Keras have them.

    Raises:
        InputError: an argument is not valid.

    >>> optimizer = loss_scale_optimizer(optax.sgd(0.1), initial_scale=8.0)
    >>> weights = {"w": jnp.ones(())}
    >>> _, state = optimizer.update({"w": jnp.array(jnp.inf)}, optimizer.init(weights), weights)
    >>> state.scale.item()
    4.0
    """
    dynamic = others.pop("dynamic", True)
    unused = [n for n, one in others.items() if n not in _UNUSED or one not in (None, _UNUSED[n])]
    if unused or not dynamic:
        raise InputError(
            explain(
                "LossScaleOptimizer has no such option.",
                expected="initial_scale and dynamic_growth_steps",
                received=", ".join(unused) or "dynamic=False",
                remedy="Set it, or loss_scale_factor, on the inner optimizer.",
            )
        )
    if not callable(getattr(inner_optimizer, "init", None)):
        raise InputError(
            explain(
                "inner_optimizer is not an optax transformation.",
                expected="an optimizer, such as tf.keras.optimizers.Adam()",
                received=repr(inner_optimizer),
                remedy="Pass optax.adam(1e-3), for example.",
            )
        )
    growth_steps = as_count("dynamic_growth_steps", dynamic_growth_steps, example=2000)
    scale: Any = initial_scale
    if isinstance(scale, bool) or not isinstance(scale, Real) or not 0 < float(scale) < math.inf:
        raise InputError(
            explain(
                "initial_scale is not a positive number.",
                expected="a positive finite number",
                received=repr(initial_scale),
                remedy="Give initial_scale=32768.0, for example.",
            )
        )

    def init(params: Any) -> LossScale:
        start = jnp.full((), initial_scale, jnp.float32)
        return LossScale(start, jnp.zeros((), jnp.int32), inner_optimizer.init(params))

    def update(gradients: Any, state: LossScale, params: Any = None) -> tuple[Any, LossScale]:
        leaves = leaves_of(gradients)
        finite = jnp.array([jnp.isfinite(leaf).all() for leaf in leaves], bool).all()
        updates, inner = inner_optimizer.update(gradients, state.inner, params)
        updates = map_tree(lambda one: jnp.where(finite, one, jnp.zeros_like(one)), updates)
        inner = map_pairs(lambda new, old: jnp.where(finite, new, old), inner, state.inner)
        grows = state.steps + 1 == growth_steps
        scale = state.scale * jnp.where(finite, jnp.where(grows, 2.0, 1.0), 0.5)
        steps = jnp.where(finite & ~grows, state.steps + 1, 0)
        return updates, LossScale(scale, steps, inner)

    made = _Transformation(init, update)
    made.inner_optimizer = inner_optimizer
    made.with_inner = lambda inner: loss_scale_optimizer(inner, initial_scale, growth_steps)
    return cast(Any, made)


def loss_scale_of(state: Any) -> jax.Array | None:
    """Return the factor of the loss in the state of an optimizer; None without one."""
    parts = flatten(state, lambda part: isinstance(part, LossScale))[0]
    return next((part.scale for part in parts if isinstance(part, LossScale)), None)
