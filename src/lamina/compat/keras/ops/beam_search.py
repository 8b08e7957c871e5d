"""The likeliest sequences of labels of a model that was trained with the CTC loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["ctc_beam_search"]

_jax: Any = jax
_NONE = -1  # behind the end of a path


class _Beams(NamedTuple):
    """The likeliest paths of one example so far.

    Attributes:
        paths: the labels ``[beams, steps]``, -1 behind the end.
        lengths: the numbers of labels ``[beams]``.
        label: the log-probability of the path with a label in the last step ``[beams]``.
        blank: the same with a blank in the last step.
    """

    paths: Any
    lengths: Any
    label: Any
    blank: Any


def ctc_beam_search(
    logits: Any, lengths: Any, beam_width: int, top_paths: int, mask_index: int
) -> tuple[Any, Any]:
    """Search the likeliest sequences of labels, over all alignments of each.

    Args:
        logits: ``[batch, steps, classes]``.
        lengths: the numbers of steps ``[batch]``.
        beam_width: the number of paths that are kept after each step.
        top_paths: the number of paths that are returned, at most `beam_width`.
        mask_index: the index of the blank.

    Returns:
        The labels ``[top_paths, batch, steps]``, -1 behind the end, and their log-probabilities
        ``[batch, top_paths]``.
    """
    values = jax.nn.log_softmax(logits)
    steps = values.shape[1]

    def one(x: Any, length: Any) -> tuple[Any, Any]:
        empty = jnp.where(jnp.arange(beam_width) == 0, 0.0, -jnp.inf).astype(x.dtype)
        beams = _Beams(
            jnp.full((beam_width, steps), _NONE, jnp.int32),
            jnp.zeros(beam_width, jnp.int32),
            jnp.full_like(empty, -jnp.inf),
            empty,
        )

        def step(beams: _Beams, given: Any) -> tuple[_Beams, None]:
            number, x = given
            after = _step(beams, x, mask_index)
            pairs = zip(after, beams, strict=True)
            return _Beams(*[jnp.where(number < length, new, old) for new, old in pairs]), None

        beams, _ = _jax.lax.scan(step, beams, (jnp.arange(steps), x))
        scores = jnp.logaddexp(beams.label, beams.blank)
        order = jnp.argsort(-scores)[:top_paths]
        return beams.paths[order], scores[order]

    paths, scores = jax.vmap(one)(values, lengths)
    return jnp.swapaxes(paths, 0, 1), scores


def _step(beams: _Beams, x: Any, mask_index: int) -> _Beams:
    """The paths after one more step, of which `x` are the log-probabilities of the classes."""
    width, classes = len(beams.lengths), len(x)
    rows = jnp.arange(width)
    last = jnp.where(beams.lengths > 0, beams.paths[rows, beams.lengths - 1], _NONE)
    both = jnp.logaddexp(beams.label, beams.blank)
    blank = both + x[mask_index]
    label = jnp.where(last >= 0, beams.label + x[last], -jnp.inf)
    # A label that repeats the last one is a new one only after a blank.
    before = jnp.where(last[:, None] == jnp.arange(classes), beams.blank[:, None], both[:, None])
    longer = (before + x).at[:, mask_index].set(-jnp.inf)
    # A longer path may be another one of the beams.
    prefix = beams.paths.at[rows, beams.lengths - 1].set(_NONE)
    same = (beams.paths[:, None] == prefix[None]).all(-1)
    same &= (beams.lengths[:, None] + 1 == beams.lengths) & (last >= 0)
    found = jnp.where(same, longer[:, last], -jnp.inf)
    label = jnp.logaddexp(label, jax.nn.logsumexp(found, axis=0))
    taken = (same[:, :, None] & (last[:, None] == jnp.arange(classes))).any(1)
    longer = jnp.where(taken, -jnp.inf, longer)

    scores = jnp.concatenate([jnp.logaddexp(label, blank), longer.ravel()])
    order = jnp.argsort(-scores)[:width]
    kept, place = order < width, jnp.maximum(order - width, 0)
    row, added = jnp.where(kept, order, place // classes), place % classes
    paths = beams.paths[row]
    extended = paths.at[rows, beams.lengths[row]].set(added)
    paths = jnp.where(kept[:, None], paths, extended)
    lengths = jnp.where(kept, beams.lengths[row], beams.lengths[row] + 1)
    possible = scores[order] > -jnp.inf  # the others are no copies of a path
    return _Beams(
        jnp.where(possible[:, None], paths, _NONE),
        jnp.where(possible, lengths, 0),
        jnp.where(kept, label[row], longer[row, added]),
        jnp.where(kept, blank[row], -jnp.inf),
    )
