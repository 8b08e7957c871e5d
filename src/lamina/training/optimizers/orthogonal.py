"""Muon: momentum whose matrices are made orthogonal; AdamW for all other weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import jax
import jax.numpy as jnp

from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.moments import scale_by_adam
from lamina.training.optimizers.options import (
    LearningRate,
    SharedOptions,
    made,
    with_weight_decay,
)

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["muon"]


@with_config
def muon(
    learning_rate: LearningRate = 0.001,
    adam_beta_1: float = 0.9,
    adam_beta_2: float = 0.999,
    adam_weight_decay: float | None = 0.004,
    epsilon: float = 1e-7,
    weight_decay: float | None = 0.004,
    exclude_layers: Sequence[str] | None = None,
    exclude_embeddings: bool = True,
    muon_a: float = 3.4445,
    muon_b: float = -4.775,
    muon_c: float = 2.0315,
    adam_lr_ratio: float = 1.0,
    momentum: float = 0.95,
    ns_steps: int = 5,
    nesterov: bool = True,
    rms_rate: float | None = 0.2,
    **options: Unpack[SharedOptions],
) -> optax.GradientTransformation:
    """Muon (Jordan et al., 2024; Liu et al., arXiv 2502.16982).

    Matrices get the update ``learning_rate rms_rate sqrt(max(rows, columns)) O``, where O is their
    momentum made approximately orthogonal by the Newton-Schulz iteration
    ``X = a X + (b X X^T + c (X X^T)^2) X``. Weights that are no matrices, those of embeddings and
    those of excluded layers get the update of AdamW.

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        adam_beta_1: the decay rate of Adam's first moment, in [0, 1); 0.9 by default.
        adam_beta_2: the decay rate of Adam's second moment, in [0, 1); 0.999 by default.
        adam_weight_decay: as `weight_decay`, for the weights that Adam updates; 0.004 by default.
        epsilon: added to the root of Adam's second moment; 1e-07 by default.
        weight_decay: each update subtracts ``learning_rate weight_decay w`` from a matrix w; with
            None, no matrix decays; 0.004 by default.
        exclude_layers: texts such as ``["head"]``; Adam updates the weights whose paths contain
            one of them. None (default) for no such layers.
        exclude_embeddings: whether Adam updates the weights whose paths contain "embedding";
            True by default.
        muon_a: the coefficient a; 3.4445 by default.
        muon_b: the coefficient b; -4.775 by default.
        muon_c: the coefficient c; 2.0315 by default.
        adam_lr_ratio: the learning rate of Adam is this times `learning_rate`; 1.0 by default.
        momentum: in [0, 1); 0.95 by default.
        ns_steps: the number of iterations; 5 by default.
        nesterov: whether to use Nesterov momentum; True by default.
        rms_rate: the factor of the update; None for 1 without the root; 0.2 by default.
        options: those of all optimizers; see :class:`SharedOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    Raises:
        InputError: `exclude_layers` holds something else than parts of paths.

    >>> muon(3e-4).get_config()["learning_rate"]
    0.0003
    """
    excluded = _parts(exclude_layers, exclude_embeddings)
    decays = (weight_decay, adam_weight_decay)

    def make(rate: Any) -> optax.GradientTransformation:
        trace = optax.trace(momentum, nesterov)
        newton = _orthogonalized((muon_a, muon_b, muon_c), ns_steps, rms_rate)
        adam = scale_by_adam(adam_beta_1, adam_beta_2, epsilon)
        parts = (
            optax.chain(trace, newton, optax.scale_by_learning_rate(rate)),
            optax.chain(adam, optax.scale_by_learning_rate(rate * adam_lr_ratio)),
        )
        both = [
            with_weight_decay(part, rate, decay) if decay else part
            for part, decay in zip(parts, decays, strict=True)
        ]
        named: Any = {"muon": both[0], "adam": both[1]}
        return optax.multi_transform(named, lambda weights: _labels(weights, excluded))

    return made(make, learning_rate, cast(Any, options))


def _parts(exclude_layers: Sequence[str] | None, exclude_embeddings: bool) -> tuple[str, ...]:
    parts: Any = exclude_layers or ()
    if isinstance(parts, str) or not all(re.fullmatch(r"[\w.\[\]-]+", str(part)) for part in parts):
        raise InputError(
            explain(
                "exclude_layers of muon is invalid.",
                expected="a list of texts that paths of weights contain; no patterns",
                received=repr(exclude_layers),
                remedy="Pass parts of the paths that model.values() has, such as ['head'].",
            )
        )
    return (*map(str, parts), *(["embedding"] if exclude_embeddings else []))


def _labels(weights: Any, excluded: tuple[str, ...]) -> Any:
    """Name the optimizer of each weight, by its number of axes and its path."""

    def label(path: Any, weight: Any) -> str:
        text = cast(Any, jax.tree_util).keystr(path)
        is_excluded = any(part in text or part in text.lower() for part in excluded)
        return "adam" if weight.ndim != 2 or is_excluded else "muon"

    return cast(Any, jax.tree_util).tree_map_with_path(label, weights)


def _orthogonalized(
    coefficients: tuple[float, float, float], steps: int, rms_rate: float | None
) -> optax.GradientTransformation:
    a, b, c = coefficients

    def of_matrix(g: Any) -> Any:
        is_tall = g.shape[0] > g.shape[1]
        x: Any = g.T if is_tall else g
        x = x / (jnp.sqrt(jnp.sum(x * x)) + 1e-7)  # spectral norm at most 1
        for _ in range(steps):
            square: Any = x @ x.T
            x = a * x + (b * square + c * square @ square) @ x
        x = x.T if is_tall else x
        scale = 1.0 if rms_rate is None else rms_rate * max(g.shape) ** 0.5
        return (x * scale).astype(g.dtype)

    return optax.stateless(lambda updates, _: jax.tree.map(of_matrix, updates))
