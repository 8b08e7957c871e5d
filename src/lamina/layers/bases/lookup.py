"""`Lookup`, the base class of layers that map tokens to their indices in a vocabulary."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, Unpack
from typing import cast as typed

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.core.base.load_limits import ALLOWANCE, count_constants
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.adapted import record_options
from lamina.layers.bases.checks import check_choice, check_salt
from lamina.layers.bases.errors import bad_option, refusal
from lamina.layers.bases.vocabulary import Vocabulary, most_frequent
from lamina.ops.categories import MODES, encode
from lamina.options import LayerOptions

__all__ = ["Lookup", "Tokens", "Weights"]

Tokens = Sequence[Any] | np.ndarray[Any, Any] | str | os.PathLike[str] | None
Weights = Sequence[float] | ArrayLike | None

_OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}
_OF_KERAS = ("vocabulary_size", "has_input_vocabulary")
"""What configs of Keras have besides the arguments; it follows from the vocabulary."""


class Lookup(Layer):
    """The base class of layers that map tokens to indices.

    The index of a token is its position in the vocabulary, in which the mask token (in mode
    ``"int"``) and the out-of-vocabulary tokens come first.
    """

    oov_method = "farmhash"

    def __init__(
        self,
        *,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Tokens,
        idf_weights: Weights,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        salt: int | Sequence[int] | None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if max_tokens is not None and (not _is_integer(max_tokens) or max_tokens < 2):
            raise bad_option(self, "max_tokens", max_tokens, "an integer > 1, or None")
        if not _is_integer(num_oov_indices) or num_oov_indices < 0:
            raise bad_option(self, "num_oov_indices", num_oov_indices, "an integer >= 0")
        count_constants(num_oov_indices)
        if pad_to_max_tokens and max_tokens is None:
            raise bad_option(self, "pad_to_max_tokens", True, "max_tokens= to pad to, or False")
        mode = _OLD_NAMES.get(output_mode, output_mode)
        modes = ("int",) if invert else ("int", *MODES, "tf_idf")
        self.output_mode = check_choice(self, "output_mode", mode, modes)
        self.sparse = check_choice(self, "sparse", sparse, (False,))
        self.salt = check_salt(self, salt)
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.pad_to_max_tokens = invert, pad_to_max_tokens
        self._vocabulary = Vocabulary()
        self._fixed = vocabulary is not None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        elif idf_weights is not None:
            raise bad_option(self, "idf_weights", idf_weights, "None without a vocabulary")

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Create a layer from a config of :meth:`get_config`, or of Keras.

        Args:
            config: the arguments by name; the vocabulary is a list.
            custom_objects: classes and functions by name; None (default) for none.

        Returns:
            A layer of this class.

        Raises:
            InputError: the vocabulary is the path of a file, which is not read; or the layer has no
                such option.
        """
        vocabulary = config.get("vocabulary")
        if isinstance(vocabulary, str | os.PathLike):
            raise _no_files(cls.__name__, vocabulary)
        given = {name: value for name, value in config.items() if name not in _OF_KERAS}
        if given.get("dtype") in ("string", "int64"):
            del given["dtype"]
        return super().from_config(given, custom_objects)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their indices.

        Args:
            include_special_tokens: bool, whether the mask token and the out-of-vocabulary tokens
                come first; True by default.

        Returns:
            A list.
        """
        vocabulary = self._vocabulary
        special = self._special() if include_special_tokens else []
        return [*special, *vocabulary.tokens]

    def vocabulary_size(self) -> int:
        """Return the number of tokens, with the mask token and the out-of-vocabulary tokens.

        Returns:
            int.
        """
        return len(self._special()) + len(self._vocabulary.tokens)

    def set_vocabulary(self, vocabulary: Tokens, idf_weights: Weights = None) -> None:
        """Replace the vocabulary.

        Args:
            vocabulary: sequence of tokens, with or without the special tokens in front; or the path
                of a local text file with one token a line.
            idf_weights: sequence of float, the inverse document frequency of each of these tokens,
                for ``output_mode="tf_idf"`` only; None by default.

        Raises:
            InputError: the vocabulary is empty, too large, or has a token twice, a special token
                elsewhere, or a token of another type; the weights do not match it; or it is a path
                in a file that is being loaded.
        """
        given = self._read(vocabulary)
        weights = self._checked_weights(idf_weights, len(given))
        special = self._special()
        found = given[: len(special)] == special
        tokens = given[len(special) :] if found else given
        self._check_tokens(given, tokens)
        if weights is not None and not found:
            weights = np.concatenate([np.full(len(special), weights.mean()), weights])
        self._hold(tokens, weights)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the most frequent tokens in data; tokens of equal frequency in descending order.

        Args:
            data: array or list of tokens, ``[document, token]`` or ``[document]``; or an iterable
                of such batches, in which a batch of one axis is one document.
            steps: int, the number of batches to take from an iterable; None (default) for all.

        Raises:
            InputError: the layer was made with a vocabulary, or the data have no tokens.
        """
        if self._fixed:
            raise refusal(
                self,
                "was made with a vocabulary, which adapt does not replace",
                expected="a layer made without vocabulary",
                received="vocabulary=",
                remedy="Use set_vocabulary, or make the layer without a vocabulary.",
            )
        special = [token for token in (self.mask_token, self.oov_token) if token is not None]
        most = None if self.max_tokens is None else self.max_tokens - len(self._special())
        size = None if most is None else max(most, 0)
        weighs = self.output_mode == "tf_idf"
        tokens, weights = most_frequent(self._documents(data, steps), special, size, weighs)
        if not tokens:
            raise refusal(
                self,
                "got no data to adapt to",
                expected="data with at least one token",
                received="none",
                remedy="Pass an array, a list, or an iterable of batches.",
            )
        kept = None
        if weighs:
            front = np.full(len(self._special()), weights.mean())
            kept = np.concatenate([front, weights])
        self._hold(tokens, kept)

    def _hold(self, tokens: Sequence[Any], weights: np.ndarray[Any, Any] | None) -> None:
        special = self._special()
        kept = None if weights is None else weights.astype("float32")
        self._vocabulary = Vocabulary(special, tokens, kept)
        recorded = [*tokens] if None in special else [*special, *tokens]
        shares = None if kept is None else kept[len(kept) - len(recorded) :].tolist()
        if self.output_mode == "tf_idf":
            record_options(self, vocabulary=recorded, idf_weights=shares)
        else:
            record_options(self, vocabulary=recorded)

    def _special(self) -> list[Any]:
        """The tokens in front of the vocabulary."""
        mask = [self.mask_token] if self._has_mask_index() else []
        return [*mask, *[self.oov_token] * self.num_oov_indices]

    def _has_mask_index(self) -> bool:
        return self.mask_token is not None and self.output_mode == "int"

    def _read(self, vocabulary: Any) -> list[Any]:
        """The given tokens, with those of a file, as the types that the layer has."""
        if isinstance(vocabulary, str | os.PathLike):
            path = typed("str | os.PathLike[str]", vocabulary)
            if ALLOWANCE.get() is not None:
                raise _no_files(type(self).__name__, path)
            if self.output_mode == "tf_idf":
                raise bad_option(self, "vocabulary", path, "a list of tokens, for idf_weights")
            try:
                lines = Path(path).read_text("utf-8").split("\n")
            except (OSError, UnicodeDecodeError) as error:
                expected = "a list of tokens, or the path of a text file"
                raise bad_option(self, "vocabulary", path, expected) from error
            vocabulary = lines[:-1] if lines[-1] == "" else lines
        try:
            given = np.asarray(vocabulary) if hasattr(vocabulary, "__array__") else vocabulary
            if getattr(given, "ndim", 1) != 1 or isinstance(given, Mapping | set | bytes):
                raise TypeError("not one axis")
            return [self._token(token) for token in given]
        except (TypeError, ValueError):
            kind = "a sequence of tokens of the layer's type"
            raise bad_option(self, "vocabulary", _short(vocabulary), kind) from None

    def _check_tokens(self, given: list[Any], tokens: list[Any]) -> None:
        """Check the tokens of a vocabulary, which follow the special ones.

        Raises:
            InputError: they are none, too many, repeated, or special.
        """
        size = len(self._special()) + len(tokens)
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        reserved = [self.mask_token, *([self.oov_token] if self.invert else [])]
        misplaced = [token for token in reserved if token is not None and token in set(tokens)]
        problem = ""
        if not given:
            problem = "at least one token"
        elif repeated:
            problem = f"different tokens, without a second {_short(repeated)}"
        elif misplaced:
            problem = f"{misplaced[0]!r} only in front, as in {self._special()}, or not at all"
        elif self.max_tokens is not None and size > self.max_tokens:
            problem = f"at most {self.max_tokens} tokens with the special ones, not {size}"
        if problem:
            raise bad_option(self, "vocabulary", _short(given), problem)

    def _checked_weights(self, weights: Any, size: int) -> np.ndarray[Any, Any] | None:
        if (weights is not None) != (self.output_mode == "tf_idf"):
            expected = "a weight for each token" if weights is None else "None"
            where = f"{expected}, with output_mode={self.output_mode!r}"
            raise bad_option(self, "idf_weights", _short(weights), where)
        if weights is None:
            return None
        try:
            found = np.asarray(weights, np.float64)
        except (TypeError, ValueError):
            found = np.zeros(())
        if found.shape != (size,) or not size:
            expected = f"{size} numbers, one for each token"
            raise bad_option(self, "idf_weights", _short(weights), expected)
        return found

    def _token(self, token: Any) -> Any:
        """A token as the type that the layer has; subclasses define it."""
        raise NotImplementedError

    def _array(self, data: Any) -> np.ndarray[Any, Any]:
        """Data as an array of tokens; subclasses define it."""
        raise NotImplementedError

    def _documents(self, data: Any, steps: int | None) -> Iterable[Sequence[Any]]:
        """The tokens of each document of data."""
        for batch in self._batches(data, steps):
            rows = batch[None] if batch.ndim == 1 or self.output_mode != "tf_idf" else batch
            for row in rows.reshape(len(rows), -1):
                yield row.tolist()

    def _batches(self, data: Any, steps: int | None) -> Iterable[np.ndarray[Any, Any]]:
        """The batches of data; one array or list of one axis has a document in each element."""
        if isinstance(data, list | tuple | str | bytes) or hasattr(data, "__array__"):
            whole = self._array(data)
            yield whole.reshape(-1, 1) if whole.ndim < 2 else whole
            return
        for batch in islice(data, steps):
            array = self._array(batch)
            yield array.reshape(-1) if array.ndim == 0 else array

    def _ready(self) -> Vocabulary:
        """The vocabulary.

        Raises:
            InputError: there is none.
        """
        if not self._vocabulary.tokens and not self._fixed:
            raise refusal(
                self,
                "has no vocabulary yet",
                expected="a vocabulary",
                received="none",
                remedy="Call adapt(data) or set_vocabulary(tokens) first.",
            )
        return self._vocabulary

    def _encoded(self, indices: jax.Array) -> jax.Array:
        """Encode indices, of which negative ones are left out, in the layer's mode."""
        if self.output_mode == "int":
            return indices
        vocabulary = self._vocabulary
        depth = typed(int, self.max_tokens) if self.pad_to_max_tokens else len(vocabulary)
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        encoded = encode(indices, mode, depth, self.compute_dtype)
        if vocabulary.weights is None:
            return encoded
        weights = np.pad(vocabulary.weights, (0, depth - len(vocabulary.weights)))
        return encoded * jnp.asarray(weights, encoded.dtype)

    def _unknown(self, tokens: Any) -> InputError:
        return refusal(
            self,
            "got tokens that its vocabulary does not have",
            expected="tokens of the vocabulary, as num_oov_indices=0",
            received=_short(tokens),
            remedy="Set num_oov_indices=1, so that all other tokens have an index.",
        )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _short(value: Any) -> Any:
    """A value for an error: the first items of a long sequence."""
    if hasattr(value, "__len__") and not isinstance(value, str) and len(value) > 8:
        return [*list(value)[:8], "..."]
    return value


def _no_files(name: str, path: Any) -> InputError:
    return InputError(
        explain(
            f"{name} is to read its vocabulary from the path in a file or config.",
            expected="a list of tokens",
            received=repr(path),
            remedy="Make the layer in code, which may name a text file.",
        )
    )
