"""Categories as vectors, and numbers as categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.core.running.precision import uncast
from lamina.layers.bases.adapted import record_options
from lamina.layers.bases.checks import check_choice, check_count, check_shape, check_within
from lamina.layers.bases.errors import bad_option, refusal
from lamina.layers.bases.lists import TakesLists
from lamina.ops.categories import MODES, digitize, encode
from lamina.ops.quantiles import Summary, boundaries, merged, summary_of
from lamina.options import LayerOptions

__all__ = ["CategoryEncoding", "Discretization"]

_OLD_NAMES = {"binary": "multi_hot"}


class CategoryEncoding(TakesLists):
    """Encodes integers in [0, num_tokens) as vectors; see :func:`lamina.ops.categories.encode`.

    ``y[..., k] = max_s (x[..., s] == k)`` for ``"multi_hot"``, the sum for ``"count"``, and
    ``y[..., s, k] = (x[..., s] == k)`` for ``"one_hot"``. Integers out of range are left out.

    Shapes: ``[..., sample] -> [..., num_tokens]``; for ``"one_hot"``
    ``[...] -> [..., num_tokens]``, where a last axis of size 1 is replaced.

    Args:
        num_tokens: positive integer, the number of categories; it has no default.
        output_mode: ``"multi_hot"`` (default), ``"count"`` or ``"one_hot"``.
        sparse: False (default): outputs are dense.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Call arguments:
        inputs: integers ``[..., sample]``.
        count_weights: array of the shape of inputs, what each adds to its count, for ``"count"``;
            None by default.

    Raises:
        InputError: an option is not valid; or count_weights are passed in another mode, or have
            another shape than the inputs.

    >>> import jax.numpy as jnp
    >>> CategoryEncoding(4)(jnp.array([[0, 1], [3, 3]])).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.num_tokens = check_count(self, "num_tokens", num_tokens)
        mode = _OLD_NAMES.get(output_mode, output_mode)
        self.output_mode = check_choice(self, "output_mode", mode, MODES)
        self.sparse = check_choice(self, "sparse", sparse, (False,))

    @uncast
    def call(self, inputs: jax.Array, count_weights: jax.Array | None = None) -> jax.Array:
        if count_weights is not None:
            if self.output_mode != "count":
                raise refusal(
                    self,
                    "got count_weights, but does not count",
                    expected="output_mode='count'",
                    received=f"output_mode={self.output_mode!r}",
                    remedy="Leave out count_weights, or set output_mode='count'.",
                )
            check_shape(self, "count_weights", count_weights, inputs.shape, "..., sample")
        indices = inputs.astype(jnp.int32)
        return encode(indices, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)


class Discretization(TakesLists):
    """Replaces numbers by the index of their bin: ``y = #{k: boundaries[k] <= x}``.

    The outer bins reach to infinity. :meth:`adapt` finds the boundaries of ``num_bins`` bins of
    about equal counts in data.

    Shapes: ``[...] -> [...]``, int32; in other modes as :class:`lamina.layers.CategoryEncoding`
    with one category for each bin.

    Args:
        bin_boundaries: ascending sequence of float, the boundaries; None (default) to find them by
            :meth:`adapt`.
        num_bins: positive integer, the number of bins to find; None (default) for fixed
            ``bin_boundaries``. With both, the boundaries are those found before.
        epsilon: float in (0, 1), error of the quantiles that :meth:`adapt` finds, as a fraction of
            the data; 0.01 by default.
        output_mode: ``"int"`` (default), ``"one_hot"``, ``"multi_hot"`` or ``"count"``.
        sparse: False (default): outputs are dense.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid, neither bin_boundaries nor num_bins is given, or the
            layer is called without boundaries.

    >>> import jax.numpy as jnp
    >>> Discretization([0.0, 1.0, 2.0])(jnp.array([-1.5, 1.0, 3.4, 0.5])).tolist()
    [0, 2, 3, 1]
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | ArrayLike | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.output_mode = check_choice(self, "output_mode", output_mode, ("int", *MODES))
        self.sparse = check_choice(self, "sparse", sparse, (False,))
        self.epsilon = check_within(self, "epsilon", epsilon, above=True, below=True)
        self.num_bins = None if num_bins is None else check_count(self, "num_bins", num_bins)
        if bin_boundaries is None and num_bins is None:
            raise bad_option(self, "num_bins", None, "a number of bins, or bin_boundaries")
        self.bin_boundaries = None if bin_boundaries is None else self._checked(bin_boundaries)

    def _checked(self, given: Any) -> list[float]:
        """The boundaries as a list."""
        try:
            edges = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            edges = np.full(1, np.nan)
        if edges.ndim != 1 or np.isnan(edges).any() or (np.diff(edges) < 0).any():
            raise bad_option(self, "bin_boundaries", given, "numbers in ascending order")
        return [float(edge) for edge in edges]

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the boundaries of bins of about equal counts in data.

        Args:
            data: array of numbers, or an iterable of arrays.
            steps: int, the number of arrays to take from an iterable; None (default) for all.

        Raises:
            InputError: there are no data, or the layer was made with bin_boundaries.
        """
        if self.num_bins is None:
            raise refusal(
                self,
                "was made with fixed boundaries of its bins",
                expected="num_bins=",
                received="bin_boundaries=",
                remedy="Pass num_bins instead of bin_boundaries to use adapt.",
            )
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else islice(data, steps)
        found = Summary.empty()
        for batch in batches:
            array = np.asarray(batch, np.float32)
            if array.size:
                found = merged(summary_of(array, self.epsilon), found, self.epsilon)
        if not found.values.size:
            raise refusal(
                self,
                "got no data to adapt to",
                expected="an array, or an iterable of arrays",
                received="no numbers",
                remedy="Pass at least one number.",
            )
        self.bin_boundaries = boundaries(found, self.num_bins)
        record_options(self, bin_boundaries=self.bin_boundaries)

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        if self.bin_boundaries is None:
            raise refusal(
                self,
                "has no boundaries of its bins yet",
                expected="a call of adapt, or bin_boundaries=",
                received="neither",
                remedy="Call adapt(data) first.",
            )
        indices = digitize(inputs, self.bin_boundaries)
        if self.output_mode == "int":
            return indices
        return encode(indices, self.output_mode, len(self.bin_boundaries) + 1, self.compute_dtype)
