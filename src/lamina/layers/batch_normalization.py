"""Batch normalization and batch renormalization."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina import initializers
from lamina.core.running.precision import uncast
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.initializers.distribution import Distribution, Initializer, Shape, refuse
from lamina.layers.bases.checks import (
    check_axes,
    check_broadcast,
    check_choice,
    check_integers,
    check_within,
)
from lamina.layers.bases.options import NormalizationOptions
from lamina.layers.bases.weights import Weighted
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.moments import batch_moments, moving_average
from lamina.ops.normalization import batch_norm, renormalized

__all__ = ["BatchNormalization"]


class BatchNormalization(Weighted):
    """Normalizes each channel by the mean and variance of the batch, or by their moving averages.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, computed in float32 or wider. In
    training, mean and variance are those of the batch, and the moving averages are updated:
    ``moving = momentum moving + (1 - momentum) batch``. Outside of training, and where
    ``trainable`` is False, mean and variance are the moving averages.

    Shapes: any, unchanged; weights ``gamma``, ``beta``, ``moving_mean`` and ``moving_variance``,
    each ``[channels]``. The call also takes ``mask``, bool, of the input's shape without the last
    axis: elements where it is False are left out of the batch's mean and variance.

    With ``renorm``, in training ``gamma`` is replaced by ``gamma r`` and ``beta`` by ``beta +
    gamma d``, where ``r = stddev / renorm_stddev``, ``d = (mean - renorm_mean) / renorm_stddev``
    and ``stddev = sqrt(variance + epsilon)``; no gradient flows through r and d. The moving
    averages are of mean and stddev, and there are further weights ``moving_stddev``,
    ``renorm_mean`` and ``renorm_stddev``, each ``[channels]``.

    Args:
        axis: int, axis of the channels; -1 by default.
        momentum: float in [0, 1], decay rate of the moving averages per step; 0.99 by default.
        epsilon: float >= 0, added to the variance; 0.001 by default.
        center: bool, whether to add the offset ``beta``; True by default.
        scale: bool, whether to multiply by ``gamma``; True by default.
        beta_initializer: initializer of ``beta``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"zeros"`` by default.
        gamma_initializer: the same of ``gamma``; ``"ones"`` by default.
        moving_mean_initializer: the same of ``moving_mean``; ``"zeros"`` by default.
        moving_variance_initializer: the same of ``moving_variance``; ``"ones"`` by default.
        renorm: bool, whether to use batch renormalization, for small batches or correlated
            examples; False by default.
        renorm_clipping: dict with bounds >= 0 ``"rmin"`` and ``"rmax"`` of r and ``"dmax"`` of the
            absolute value of d; missing ones do not bound. None (default) for no bounds.
        renorm_momentum: float in [0, 1], decay rate of ``renorm_mean`` and ``renorm_stddev``; 0.99
            by default.
        synchronized: bool, accepted for compatibility with Keras; False by default. Under sharding
            the moments are those of the whole batch either way.
        beta_regularizer, gamma_regularizer: penalty on ``beta`` and on ``gamma``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        beta_constraint, gamma_constraint: function applied to ``beta`` and to ``gamma`` after each
            training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis``, ``momentum``, ``epsilon`` or a bound is out of range,
            or the mask does not fit.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

    Source: Ioffe, Szegedy, Batch normalization, arXiv 1502.03167; renormalization: Ioffe, arXiv
    1702.03275.

    >>> import jax.numpy as jnp
    >>> layer = BatchNormalization(momentum=0.5, epsilon=0.0)
    >>> layer(jnp.array([[1.0], [3.0]]), training=True).tolist()
    [[-1.0], [1.0]]
    >>> layer.moving_mean.value.tolist()
    [1.0]
    """

    supports_masking = True

    _weights = ("beta", "gamma")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        moving_mean_initializer: initializers.InitializerLike = "zeros",
        moving_variance_initializer: initializers.InitializerLike = "ones",
        *,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float | None] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **options: Unpack[NormalizationOptions],
    ) -> None:
        super().__init__(**options)
        (self.axis,) = check_integers(self, "axis", axis)
        self.momentum = check_within(self, "momentum", momentum)
        self.epsilon = check_within(self, "epsilon", epsilon, high=math.inf)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = renorm
        self.renorm_clipping = self._bounds(renorm_clipping)
        self.renorm_momentum = check_within(self, "renorm_momentum", renorm_momentum)
        self.synchronized = synchronized

    def build(self, input_shape: Any) -> None:
        (axis,) = check_axes(self, (self.axis,), len(input_shape))
        shape = (input_shape[axis],)
        self.gamma = self._weight("gamma", shape) if self.scale else None
        self.beta = self._weight("beta", shape) if self.center else None
        statistic = functools.partial(self.add_weight, shape, trainable=False)
        self.moving_mean = statistic(self.moving_mean_initializer)
        self.moving_variance = statistic(self.moving_variance_initializer)
        if self.renorm:
            stddev = _root(self.moving_variance_initializer)
            self.moving_stddev = statistic(stddev)
            self.renorm_mean = statistic(self.moving_mean_initializer)
            self.renorm_stddev = statistic(stddev)

    @either_mode
    @uncast
    def call(
        self, inputs: jax.Array, training: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        if mask is not None:
            where = "the input's axes but the last"
            check_broadcast(self, "a mask", mask, inputs.shape[:-1], where)
        gamma, beta = self.gamma, self.beta
        if training and self.trainable:
            mean, variance = batch_moments(inputs, axis=self.axis, mask=mask)
            if self.renorm:
                gamma, beta = self._renormalized(mean, variance)
            self._update_averages(mean, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        y = batch_norm(inputs, mean, variance, gamma, beta, axis=self.axis, epsilon=self.epsilon)
        return cast(y, float_dtype(inputs, self.gamma, self.beta))  # not that of renormalized gamma

    def _renormalized(self, mean: jax.Array, variance: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns gamma and beta corrected for a batch of these moments."""
        return renormalized(
            mean,
            variance,
            self.renorm_mean,
            self.renorm_stddev,
            self.gamma,
            self.beta,
            epsilon=self.epsilon,
            **self.renorm_clipping,
        )

    def _update_averages(self, mean: jax.Array, variance: jax.Array) -> None:
        """Updates the moving averages with the moments of a batch."""
        _move(self.moving_mean, mean, self.momentum)
        if not self.renorm:
            _move(self.moving_variance, variance, self.momentum)
            return
        stddev = lax.sqrt(variance + self.epsilon)
        _move(self.moving_stddev, stddev, self.momentum)
        _move(self.renorm_mean, mean, self.renorm_momentum)
        _move(self.renorm_stddev, stddev, self.renorm_momentum)
        moved = self.moving_stddev.value
        self.moving_variance.assign(jnp.maximum(moved * moved - self.epsilon, 0))

    def _bounds(self, given: Mapping[str, float | None] | None) -> dict[str, float]:
        """Returns the bounds of r and d by name, as the operation takes them."""
        bounds = {name: bound for name, bound in (given or {}).items() if bound is not None}
        for name, bound in bounds.items():
            check_choice(self, "renorm_clipping", name, ("rmin", "rmax", "dmax"))
            check_within(self, name, bound, high=math.inf)
        check_within(self, "rmax", bounds.get("rmax", math.inf), bounds.get("rmin", 0.0), math.inf)
        return bounds


def _move(average: Variable, new: jax.Array, momentum: float) -> None:
    average.assign(moving_average(average, new, momentum))


@dataclass(frozen=True)
class _Root(Initializer):
    """The square root of another initializer's values."""

    of: Initializer

    def distribution_for(self, shape: Shape) -> Distribution:
        law = self.of.distribution_for(shape)
        if law.kind != "constant":
            raise refuse(self, "a random variance", "a constant variance, for renorm", self.of)
        return replace(law, value=np.sqrt(law.value))


def _root(initializer: Any) -> Any:
    if isinstance(initializer, Initializer):
        return _Root(initializer)

    @functools.wraps(initializer)
    def draw(*args: Any, **options: Any) -> jax.Array:
        return jnp.sqrt(initializer(*args, **options))

    return draw
