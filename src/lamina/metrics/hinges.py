"""Hinge losses, Kullback-Leibler divergence and Poisson loss as metrics."""

from __future__ import annotations

from lamina import losses
from lamina.metrics.metric import BuiltIn

__all__ = ["CategoricalHinge", "Hinge", "KLDivergence", "Poisson", "SquaredHinge"]


class KLDivergence(BuiltIn):
    """The mean Kullback-Leibler divergence, in nats: ``sum(y_true log(y_true / y_pred))``.

    Labels and predictions are distributions ``[batch, ..., classes]``; see
    :func:`lamina.losses.kl_divergence`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = KLDivergence()
    >>> state = metric.update(metric.init(), jnp.array([[0.5, 0.5]]), jnp.array([[0.25, 0.75]]))
    >>> round(metric.result(state).item(), 4)
    0.1438
    """

    function = staticmethod(losses.kl_divergence)
    direction = "down"


class Poisson(BuiltIn):
    """The mean Poisson loss of counts: ``mean(y_pred - y_true log(y_pred + 1e-7))``.

    Labels are counts and predictions rates, both ``[batch, ..., outputs]``; see
    :func:`lamina.losses.poisson`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = Poisson()
    >>> state = metric.update(metric.init(), jnp.array([[3.0, 0.0]]), jnp.array([[1.0, 1.0]]))
    >>> round(metric.result(state).item(), 4)
    1.0
    """

    function = staticmethod(losses.poisson)
    direction = "down"


class Hinge(BuiltIn):
    """The mean hinge loss: ``mean(max(1 - y_true y_pred, 0))``.

    Labels are -1 and 1 (or 0 and 1) and predictions scores, both ``[batch, ..., outputs]``; see
    :func:`lamina.losses.hinge`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = Hinge()
    >>> state = metric.update(metric.init(), jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]]))
    >>> metric.result(state).item()
    0.75
    """

    function = staticmethod(losses.hinge)
    direction = "down"


class SquaredHinge(BuiltIn):
    """The mean squared hinge loss: ``mean(max(1 - y_true y_pred, 0)^2)``.

    Labels are -1 and 1 (or 0 and 1) and predictions scores, both ``[batch, ..., outputs]``; see
    :func:`lamina.losses.squared_hinge`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = SquaredHinge()
    >>> state = metric.update(metric.init(), jnp.array([[1.0, -1.0]]), jnp.array([[2.0, 0.5]]))
    >>> metric.result(state).item()
    1.125
    """

    function = staticmethod(losses.squared_hinge)
    direction = "down"


class CategoricalHinge(BuiltIn):
    """The mean hinge loss of the right class against the best of the others.

    ``max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0)``

    Labels are one-hot and predictions scores, both ``[batch, ..., classes]``; see
    :func:`lamina.losses.categorical_hinge`.

    Args:
        name: name in logs; the class's name in snake case if empty (default).
        dtype: floating dtype of the result; None (default) for float32.

    >>> import jax.numpy as jnp
    >>> metric = CategoricalHinge()
    >>> state = metric.update(metric.init(), jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.75]]))
    >>> metric.result(state).item()
    0.75
    """

    function = staticmethod(losses.categorical_hinge)
    direction = "down"
