"""Tokens as their indices in a vocabulary: of integers in programs, of text on the host."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core.base.pytrees import as_array
from lamina.core.running.precision import uncast
from lamina.core.specs.spec import Spec
from lamina.layers.bases.checks import check_choice, check_encoding
from lamina.layers.bases.errors import bad_option, refusal
from lamina.layers.bases.lists import TakesLists
from lamina.layers.bases.lookup import Lookup, Tokens, Weights
from lamina.layers.bases.text import TextLayer, as_text, encoded_spec
from lamina.ops.hashing import hash_bins, integer_bins
from lamina.options import LayerOptions

__all__ = ["IntegerLookup", "StringLookup", "TextLookup"]


class IntegerLookup(TakesLists, Lookup):
    """Replaces integers by their indices in a vocabulary: ``y = k`` where ``vocabulary[k] = x``.

    The vocabulary begins with ``mask_token`` (in mode ``"int"``, if there is one) and the
    out-of-vocabulary tokens. Masked integers have index 0, or are left out in other modes. Other
    integers that it does not have are distributed over the out-of-vocabulary indices.

    Shapes: ``[...] -> [...]``, integers; in other modes as
    :class:`lamina.layers.CategoryEncoding` with one category for each token.

    Args:
        max_tokens: integer > 1, the largest size of the vocabulary with its special tokens; None
            (default) for no limit.
        num_oov_indices: integer >= 0, the number of out-of-vocabulary indices; 1 by default. With
            0, integers that the vocabulary does not have are errors, and have index -1 in compiled
            programs.
        mask_token: int, the integer of masked inputs; None (default) for none.
        oov_token: int, what out-of-vocabulary indices stand for; -1 by default.
        vocabulary: sequence of int, or the path of a local text file with an integer a line; None
            (default) to find it by :meth:`adapt` or set it by :meth:`set_vocabulary`.
        vocabulary_dtype: ``"int64"`` (default).
        idf_weights: sequence of float, the weight of each token, for ``"tf_idf"``; None by default.
        invert: bool, whether to replace indices by integers of the vocabulary; False by default.
        output_mode: ``"int"`` (default), ``"one_hot"``, ``"multi_hot"``, ``"count"`` or
            ``"tf_idf"``, the counts times ``idf_weights``.
        sparse: False (default): outputs are dense.
        pad_to_max_tokens: bool, whether outputs in other modes than ``"int"`` have ``max_tokens``
            elements; False by default.
        oov_method: how integers are distributed over several out-of-vocabulary indices:
            ``"floormod"`` (default) for the remainder, ``"farmhash"`` for the hash of
            :class:`lamina.layers.Hashing`.
        salt: int or two of them, the key of SipHash, with ``oov_method="farmhash"``; None (default)
            for FarmHash.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option or the vocabulary is not valid, the layer is called without a
            vocabulary, or the vocabulary does not have an integer and ``num_oov_indices`` is 0.

    >>> import jax.numpy as jnp
    >>> IntegerLookup(vocabulary=[12, 36, 1138])(jnp.array([12, 1138, 7])).tolist()
    [1, 3, 0]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Tokens = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Weights = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.vocabulary_dtype = check_choice(self, "vocabulary_dtype", vocabulary_dtype, ("int64",))
        self.oov_method = check_choice(self, "oov_method", oov_method, ("floormod", "farmhash"))
        if salt is not None and oov_method != "farmhash":
            raise bad_option(self, "salt", salt, "None, or oov_method='farmhash'")
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=self._optional("mask_token", mask_token),
            oov_token=self._optional("oov_token", oov_token),
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            salt=salt,
            **options,
        )

    def _optional(self, name: str, token: Any) -> int | None:
        try:
            return None if token is None else self._token(token)
        except (TypeError, ValueError):
            raise bad_option(self, name, token, "an integer, or None") from None

    def _token(self, token: Any) -> int:
        if isinstance(token, str):  # a line of a text file
            return int(token)
        if isinstance(token, bool | np.bool_):
            raise TypeError("a bool is no token")
        return operator.index(token)

    def _array(self, data: Any) -> np.ndarray[Any, Any]:
        array = np.asarray(data)
        if array.dtype.kind not in "iu":
            raise refusal(
                self,
                "got data that are not integers",
                expected="an array of integers",
                received=f"dtype {array.dtype}",
                remedy="Pass integers; StringLookup takes text.",
            )
        return array.astype(np.int64)

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        self._ready()
        if not jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = inputs.astype(jax.dtypes.canonicalize_dtype(np.int64))
        return self._inverse(inputs) if self.invert else self._encoded(self._indices(inputs))

    def _inverse(self, indices: jax.Array) -> jax.Array:
        """The token of each index."""
        if self.oov_token is None:
            raise bad_option(self, "oov_token", None, "an integer, to invert")
        table = as_array(np.array([*self.get_vocabulary(), self.oov_token], np.int64), "A token")
        last = len(table) - 1
        return table[jnp.where((indices < 0) | (indices > last), last, indices)]

    def _indices(self, tokens: jax.Array) -> jax.Array:
        """The index of each token; -1 for those to leave out."""
        kind = jnp.iinfo(tokens.dtype)
        keys, values = self._vocabulary.ordered
        present = (keys >= int(kind.min)) & (keys <= int(kind.max))
        keys, values = keys[present], values[present]
        index = jax.dtypes.canonicalize_dtype(np.int64)
        known: Any = jnp.zeros(tokens.shape, bool)
        found = jnp.full(tokens.shape, -1, index)
        if keys.size:
            table = jnp.asarray(keys, tokens.dtype)
            at = jnp.minimum(jnp.searchsorted(table, tokens), keys.size - 1)
            known = table[at] == tokens
            found = jnp.asarray(values, index)[at]
        if self.mask_token is not None:
            fits = int(kind.min) <= self.mask_token <= int(kind.max)
            masked: Any = tokens == self.mask_token if fits else jnp.zeros(tokens.shape, bool)
            found = jnp.where(masked, 0 if self.output_mode == "int" else -1, found)
            known = known | masked
        if self.num_oov_indices == 0 and not isinstance(known, Tracer) and not known.all():
            raise self._unknown(np.asarray(tokens)[~np.asarray(known)].tolist())
        return jnp.where(jnp.asarray(known), found, self._other(tokens).astype(index))

    def _other(self, tokens: jax.Array) -> jax.Array:
        """The indices of tokens that the vocabulary does not have."""
        count, start = self.num_oov_indices, int(self._has_mask_index())
        if count == 0:
            return jnp.full(tokens.shape, -1)
        if count == 1:
            return jnp.full(tokens.shape, start)
        if self.oov_method == "farmhash":
            return start + integer_bins(tokens, count, self.salt)
        wide = tokens.astype(jax.dtypes.canonicalize_dtype(np.int64))
        return start + wide % count


class TextLookup(TextLayer, Lookup):
    """The base class of lookups of text, which run on the host."""

    encoding = "utf-8"

    def _token(self, token: Any) -> str:
        if isinstance(token, bytes):
            return token.decode(self.encoding)
        if not isinstance(token, str):
            raise TypeError("not text")
        return str(token)

    def _array(self, data: Any) -> np.ndarray[Any, Any]:
        return as_text(self, data, self.encoding)

    def _indices(self, tokens: list[Any]) -> list[int]:
        """The index of each token; -1 for those to leave out."""
        index, count, start = self._vocabulary.index, self.num_oov_indices, self._has_mask_index()
        if self.mask_token is not None:
            index.setdefault(self.mask_token, 0 if self.output_mode == "int" else -1)
        if count == 1:
            return list(map(index.get, tokens, repeat(int(start))))
        found: list[Any] = list(map(index.get, tokens))
        others = [at for at, place in enumerate(found) if place is None]
        if not others:
            return found
        unknown = [tokens[at] for at in others]
        if count == 0:
            raise self._unknown(unknown[:1])
        texts = np.array([*(one.encode() for one in unknown), None], object)[:-1]
        for at, place in zip(others, hash_bins(texts, count, self.salt).tolist(), strict=True):
            found[at] = int(start) + place
        return found

    def _encoded_spec(self, shape: tuple[Any, ...]) -> Spec:
        """The spec of encoded indices of a shape."""
        if self.output_mode != "int":
            self._ready()
        return encoded_spec(self._encoded, shape)


class StringLookup(TextLookup):
    """Replaces strings by their indices in a vocabulary: ``y = k`` where ``vocabulary[k] = x``.

    The vocabulary begins with ``mask_token`` (in mode ``"int"``, if there is one) and the
    out-of-vocabulary tokens. Masked strings have index 0, or are left out in other modes. Other
    strings that it does not have are distributed over the out-of-vocabulary indices by their hash.

    It works on the host, and is called outside of compiled programs; see
    :class:`lamina.layers.TextVectorization`.

    Shapes: ``[...] -> [...]``, integers; in other modes as
    :class:`lamina.layers.CategoryEncoding` with one category for each token.

    Args:
        max_tokens: integer > 1, the largest size of the vocabulary with its special tokens; None
            (default) for no limit.
        num_oov_indices: integer >= 0, the number of out-of-vocabulary indices; 1 by default. With
            0, strings that the vocabulary does not have are errors.
        mask_token: str of masked inputs; None (default) for none.
        oov_token: str that out-of-vocabulary indices stand for; ``"[UNK]"`` by default.
        vocabulary: sequence of str, or the path of a local text file with a string a line; None
            (default) to find it by :meth:`adapt` or set it by :meth:`set_vocabulary`.
        idf_weights: sequence of float, the weight of each token, for ``"tf_idf"``; None by default.
        invert: bool, whether to replace indices by strings of the vocabulary, as a NumPy array;
            False by default.
        output_mode: ``"int"`` (default), ``"one_hot"``, ``"multi_hot"``, ``"count"`` or
            ``"tf_idf"``, the counts times ``idf_weights``.
        pad_to_max_tokens: bool, whether outputs in other modes than ``"int"`` have ``max_tokens``
            elements; False by default.
        sparse: False (default): outputs are dense.
        encoding: encoding of inputs that are bytes; ``"utf-8"`` by default.
        salt: int or two of them, the key of SipHash; None (default) for FarmHash.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option or the vocabulary is not valid, the input is not text or is traced,
            the layer is called without a vocabulary, or the vocabulary does not have a string and
            ``num_oov_indices`` is 0.

    >>> layer = StringLookup(vocabulary=["a", "b", "c"])
    >>> layer([["a", "c"], ["d", "b"]]).tolist(), layer.get_vocabulary()
    ([[1, 3], [0, 2]], ['[UNK]', 'a', 'b', 'c'])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Tokens = None,
        idf_weights: Weights = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        *,
        salt: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.encoding = check_encoding(self, encoding)
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=self._optional("mask_token", mask_token),
            oov_token=self._optional("oov_token", oov_token),
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            salt=salt,
            **options,
        )

    def _optional(self, name: str, token: Any) -> str | None:
        if token is not None and not isinstance(token, str):
            raise bad_option(self, name, token, "a str, or None")
        return token

    def call(self, inputs: Any) -> Any:
        self._ready()
        if self.invert:
            return self._inverse(inputs)
        text = self._array(inputs)
        indices = np.array(self._indices(text.reshape(-1).tolist()), np.int64)
        return self._encoded(as_array(indices.reshape(text.shape), "An index"))

    def _lamina_text_outputs(self, inputs: Any) -> Any:
        if self.invert:
            return Spec(inputs.shape, "string")
        if not inputs.is_text:
            return super()._lamina_text_outputs(inputs)
        return self._encoded_spec(inputs.shape)

    def _inverse(self, inputs: Any) -> np.ndarray[Any, Any]:
        """The string of each index."""
        indices = np.asarray(inputs)
        if self.oov_token is None or indices.dtype.kind not in "iu":
            raise refusal(
                self,
                "cannot replace these inputs by strings",
                expected="an array of integers, and an oov_token",
                received=f"dtype {indices.dtype}, oov_token={self.oov_token!r}",
                remedy="Pass indices, and an oov_token.",
            )
        table = np.array([*self.get_vocabulary(), self.oov_token])
        last = len(table) - 1
        return table[np.where((indices < 0) | (indices > last), last, indices)]
