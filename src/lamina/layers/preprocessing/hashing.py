"""Integers and text as bins, by hashes that need no vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core.base.pytrees import as_array
from lamina.core.running.precision import uncast
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Symbolic
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_salt
from lamina.layers.bases.errors import bad_option, refusal
from lamina.layers.bases.lists import TakesLists
from lamina.layers.bases.text import as_text, encoded_spec, is_text
from lamina.ops.categories import MODES, encode
from lamina.ops.hashing import crossed, farmhashes, hash_bins, integer_bins, on_host
from lamina.options import LayerOptions

__all__ = ["HashedCrossing", "Hashing"]


class HashingLayer(Layer):
    """The base class of layers that hash integers, also in programs, and text on the host.

    Programs call back to the host for the hashes, which need integers of 64 bits.
    """

    output_mode: str
    num_bins: int

    def _lamina_text_outputs(self, inputs: Any) -> Spec | None:
        """The spec of the outputs for those of inputs; None without text among them."""
        specs = list(Arguments((inputs,), {}).leaves())
        if not any(spec.is_text for spec in specs):
            return None
        return encoded_spec(self._encoded, specs[0].shape)

    def _encoded(self, bins: Any) -> jax.Array:
        """Encode bins in the layer's mode."""
        indices = as_array(bins, "A bin")
        if self.output_mode == "int":
            return indices.astype(self.compute_dtype)
        return encode(indices, self.output_mode, self.num_bins, self.compute_dtype)


class Hashing(TakesLists, HashingLayer):
    """Replaces integers and strings by the bin of their hash: ``y = hash(x) mod num_bins``.

    The hash is that of Keras: FarmHash, or SipHash with a salt, of the UTF-8 text; integers are
    hashed by their decimal text, and other numbers are converted to integers. With a
    ``mask_value``, bin 0 is for it alone. Strings are hashed on the host, outside of programs.

    Shapes: ``[...] -> [...]``, integers; in other modes as
    :class:`lamina.layers.CategoryEncoding` with one category for each bin.

    Args:
        num_bins: positive integer, the number of bins, with that of ``mask_value``.
        mask_value: int or str of masked inputs, which have bin 0; None (default) for none.
        salt: int or two of them, the key of SipHash; None (default) for FarmHash.
        output_mode: ``"int"`` (default), ``"one_hot"``, ``"multi_hot"`` or ``"count"``.
        sparse: False (default): outputs are dense.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid, or the input is neither numbers nor text.

    Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009;
    :func:`lamina.ops.hashing.farmhash64`, :func:`lamina.ops.hashing.siphash64`.

    >>> import jax.numpy as jnp
    >>> Hashing(3)(jnp.arange(5)).tolist(), Hashing(3)(["A", "B", "C"]).tolist()
    ([1, 0, 1, 0, 2], [1, 0, 1])
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: int | str | None = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**_with_dtype(output_mode, options))
        if output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise bad_option(self, "dtype", self.dtype, "int32 or int64, for output_mode='int'")
        self.num_bins = check_count(self, "num_bins", num_bins)
        masked: Any = mask_value
        if not isinstance(masked, str | int | np.integer | None) or isinstance(masked, bool):
            raise bad_option(self, "mask_value", mask_value, "an integer, a str, or None")
        self.mask_value = mask_value
        self.salt = check_salt(self, salt)
        self.output_mode = check_choice(self, "output_mode", output_mode, ("int", *MODES))
        self.sparse = check_choice(self, "sparse", sparse, (False,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and is_text(args[0]):
            return self.call(args[0])
        return super().__call__(*args, **kwargs)

    @uncast
    def call(self, inputs: Any) -> jax.Array:
        masks = self.mask_value is not None and self.num_bins > 1
        count = self.num_bins - masks
        if is_text(inputs):
            text = as_text(self, inputs, "utf-8")
            encoded = np.array([one.encode() for one in text.reshape(-1).tolist()], object)
            bins = hash_bins(encoded, count, self.salt).reshape(text.shape)
            return self._encoded(np.where(text == self.mask_value, 0, bins + 1) if masks else bins)
        values = _integers(inputs)
        found = integer_bins(values, count, self.salt)
        if masks:
            own = inputs == self.mask_value if not isinstance(self.mask_value, str) else False
            found = jnp.where(own, 0, found + 1)
        return self._encoded(found)


class HashedCrossing(HashingLayer):
    """Replaces several features by the bin of the hash of all: ``y = hash(x_1, x_2, ...) mod n``.

    The hash is that of Keras: see :func:`lamina.ops.hashing.crossed`. Strings are hashed on the
    host, outside of programs.

    Shapes: ``([batch], [batch], ...) -> [batch]``, integers; or ``[batch, 1]``, or scalars; for
    ``"one_hot"`` ``[batch, num_bins]``.

    Args:
        num_bins: positive integer, the number of bins.
        output_mode: ``"int"`` (default) or ``"one_hot"``.
        sparse: False (default): outputs are dense.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is not valid; or the inputs are not at least two arrays of integers or
            text, of one of these shapes.

    >>> HashedCrossing(5)((["A", "B", "A"], [101, 101, 102])).tolist()
    [1, 4, 3]
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**_with_dtype(output_mode, options))
        if output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise bad_option(self, "dtype", self.dtype, "int32 or int64, for output_mode='int'")
        self.num_bins = check_count(self, "num_bins", num_bins)
        self.output_mode = check_choice(self, "output_mode", output_mode, ("int", "one_hot"))
        self.sparse = check_choice(self, "sparse", sparse, (False,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and self._is_text(args[0]):
            return self.call(args[0])
        return super().__call__(*args, **kwargs)

    def _is_text(self, inputs: Any) -> bool:
        if not isinstance(inputs, list | tuple):
            return False
        features = typed("list[Any]", inputs)
        if not any(map(is_text, features)):
            return False
        if any(isinstance(one, Symbolic | Tracer) for one in features):
            raise self._refused("text and traced arrays")
        return True

    @uncast
    def call(self, inputs: Any) -> jax.Array:
        features = typed("list[Any]", inputs) if isinstance(inputs, list | tuple) else []
        if len(features) < 2:
            raise self._refused("one input")
        if self._is_text(features):
            return self._encoded(_cross([self._hashed(one) for one in features], self.num_bins))
        arrays = [jnp.asarray(one) for one in features]
        self._check(arrays)

        def bins(*given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return _cross([_bits(one) for one in given], self.num_bins)

        return self._encoded(on_host(bins, *arrays))

    def _hashed(self, feature: Any) -> np.ndarray[Any, Any]:
        """The hash of each string, or each integer, as uint64."""
        if not is_text(feature):
            array = np.asarray(feature)
            self._check([array])
            return _bits(array)
        text = as_text(self, feature, "utf-8")
        self._check([text])
        encoded = [one.encode() for one in text.reshape(-1).tolist()]
        return farmhashes(encoded).reshape(text.shape)

    def _check(self, arrays: Sequence[Any]) -> None:
        shapes = {tuple(array.shape) for array in arrays}
        first = next(iter(shapes))
        integers = all(array.dtype == object or array.dtype.kind in "iu" for array in arrays)
        if len(shapes) > 1 or len(first) > 2 or (len(first) == 2 and first[1] != 1) or not integers:
            raise self._refused(", ".join(f"{one.dtype} of shape {one.shape}" for one in arrays))

    def _refused(self, received: str) -> Exception:
        return refusal(
            self,
            "got inputs that it cannot cross",
            expected="at least two arrays of integers or text, all of shape (), (batch,) or "
            "(batch, 1)",
            received=received,
            remedy="Pass a list of such arrays.",
        )


def _cross(features: list[np.ndarray[Any, Any]], bins: int) -> np.ndarray[Any, Any]:
    """The bin of the features at each place."""
    hashes = crossed([one.reshape(-1) for one in features])
    return (hashes % bins).astype(np.int64).reshape(features[0].shape)


def _bits(integers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Integers as uint64, modulo 2^64."""
    return integers.astype(np.uint64 if integers.dtype.kind == "u" else np.int64).view(np.uint64)


def _with_dtype(output_mode: str, options: LayerOptions) -> LayerOptions:
    """The options, with the dtype of integers in mode ``"int"``."""
    own: Any = {"dtype": "int64"} if output_mode == "int" and options.get("dtype") is None else {}
    return options | own


def _integers(values: jax.Array) -> jax.Array:
    if jnp.issubdtype(values.dtype, jnp.integer):
        return values
    return values.astype(jax.dtypes.canonicalize_dtype(np.int64))
