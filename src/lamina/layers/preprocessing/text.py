"""Text as the indices of its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Unpack
from typing import cast as typed

import jax
import numpy as np

from lamina.core.base.pytrees import as_array
from lamina.errors import InputError
from lamina.layers.bases.checks import check_choice, check_count, check_encoding, check_integers
from lamina.layers.bases.errors import bad_option, refusal
from lamina.layers.bases.lookup import Tokens, Weights
from lamina.layers.preprocessing.lookup import TextLookup
from lamina.ops.text import SPLITS, STANDARDS, ngrams, split, standardize
from lamina.options import LayerOptions

__all__ = ["TextVectorization"]

TextFunction = Callable[[Any], Any]


class TextVectorization(TextLookup):
    """Splits text into tokens and replaces them by their indices in a vocabulary.

    Each text is standardized and split, neighbouring tokens may be joined (``ngrams``), and
    ``y = k`` where ``vocabulary[k]`` is the token. Index 0 is padding (the vocabulary begins with
    ``""`` in mode ``"int"``), and the next index is for tokens that the vocabulary does not have.

    JAX has no arrays of text, so it works on the host, outside of compiled programs: call it on
    the data, or make it the first layer of a `Sequential`, which is called on text.

    Shapes: text ``[...] -> [..., time]``, integers, where time is ``output_sequence_length`` or the
    largest number of tokens; in other modes ``[...] -> [..., vocabulary]``. A last axis of size 1
    is removed first. With ``split=None`` the last axis of the text has the tokens.

    Args:
        max_tokens: integer > 1, the largest size of the vocabulary with its special tokens; None
            (default) for no limit.
        standardize: ``"lower_and_strip_punctuation"`` (default), ``"lower"`` or
            ``"strip_punctuation"``, of ASCII; None for none; or a function from an array of str to
            another of its shape.
        split: ``"whitespace"`` (default), of ASCII; ``"character"``; None for none; or a function
            from an array of str ``[texts]`` to a list of tokens for each.
        ngrams: positive integer n, to join 1 to n tokens; or a tuple of the numbers of tokens to
            join; None (default) for single tokens.
        output_mode: ``"int"`` (default), ``"one_hot"``, ``"multi_hot"``, ``"count"`` or
            ``"tf_idf"``, the counts times ``idf_weights``.
        output_sequence_length: positive integer, number of indices for each text, in mode
            ``"int"``: longer texts are cut, and shorter ones padded with 0; None (default) for that
            of the longest text.
        pad_to_max_tokens: bool, whether outputs in other modes than ``"int"`` have ``max_tokens``
            elements; False by default.
        vocabulary: sequence of str, or the path of a local text file with a token a line; None
            (default) to find it by :meth:`adapt` or set it by :meth:`set_vocabulary`.
        idf_weights: sequence of float, the weight of each token, for ``"tf_idf"``; None by default.
        sparse: False (default): outputs are dense.
        ragged: False (default): outputs are padded.
        encoding: encoding of inputs that are bytes; ``"utf-8"`` by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option or the vocabulary is not valid, the input is not text or is traced, or
            the layer is called without a vocabulary.

    >>> layer = TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["The cat sat.", "The dog sat, too."])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'too', 'dog', 'cat']
    >>> layer(["the dog", "A cat sat on the mat"]).tolist()
    [[2, 5, 0, 0], [1, 6, 3, 1]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | TextFunction | None = "lower_and_strip_punctuation",
        split: str | TextFunction | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Tokens = None,
        idf_weights: Weights = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **options: Unpack[LayerOptions],
    ) -> None:
        self.standardize = self._way("standardize", standardize, STANDARDS)
        self.split = self._way("split", split, SPLITS)
        self.ngrams = ngrams
        self._widths = self._checked_widths(ngrams)
        self.output_sequence_length = output_sequence_length
        if output_sequence_length is not None:
            check_count(self, "output_sequence_length", output_sequence_length)
            if output_mode != "int":
                expected = "None, or output_mode='int'"
                raise bad_option(self, "output_sequence_length", output_sequence_length, expected)
        self.ragged = check_choice(self, "ragged", ragged, (False,))
        self.encoding = check_encoding(self, encoding)
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=1,
            mask_token="",
            oov_token="[UNK]",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=False,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            salt=None,
            **options,
        )

    def _way(self, name: str, given: Any, names: tuple[str, ...]) -> Any:
        return given if callable(given) else check_choice(self, name, given, (None, *names))

    def _checked_widths(self, given: Any) -> tuple[int, ...] | None:
        """The numbers of tokens to join; None for single tokens."""
        if given is None:
            return None
        widths = check_integers(self, "ngrams", given)
        if min(widths) < 1:
            raise bad_option(self, "ngrams", given, "positive integers")
        return widths if isinstance(given, list | tuple) else tuple(range(1, widths[0] + 1))

    def adapt(  # pyright: ignore[reportIncompatibleMethodOverride] - the arguments of Keras
        self, data: Any, batch_size: int | None = None, steps: int | None = None
    ) -> None:
        """Find the most frequent tokens in texts; tokens of equal frequency in descending order.

        Args:
            data: array or list of texts; or an iterable of such batches.
            batch_size: has no effect: texts are counted one by one.
            steps: int, the number of batches to take from an iterable; None (default) for all.

        Raises:
            InputError: the layer was made with a vocabulary, or the texts have no tokens.
        """
        super().adapt(data, steps)

    def _documents(self, data: Any, steps: int | None) -> Iterable[Sequence[Any]]:
        for batch in self._batches(data, steps):
            yield from self._tokens_of(batch)[1]

    def _tokens_of(self, text: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], list[list[str]]]:
        """The shape of the texts, and the tokens of each in a flat list."""
        if callable(self.standardize):
            text = self._array(self.standardize(text.astype(str)))
        elif self.standardize is not None:
            way = typed(str, self.standardize)
            changed = [standardize(one, way) for one in text.reshape(-1).tolist()]
            text = np.array([*changed, None], object)[:-1].reshape(text.shape)
        if self.split is None:
            rows = text.reshape(1) if text.ndim == 0 else text
            shape = rows.shape[:-1]
            tokens = rows.reshape(-1, rows.shape[-1]).tolist() if rows.size else []
        else:
            texts = text[..., 0] if text.ndim > 1 and text.shape[-1] == 1 else text
            if texts.ndim > 1:
                raise self._refused_axes(text.shape)
            shape = texts.shape
            tokens = self._split(texts.reshape(-1))
        if self._widths is not None:
            tokens = [ngrams(row, self._widths) for row in tokens]
        return shape, tokens

    def _split(self, texts: np.ndarray[Any, Any]) -> list[list[str]]:
        if not callable(self.split):
            return [split(one, typed(str, self.split)) for one in texts.tolist()]
        rows: Any = self.split(texts.astype(str))
        found = [[*map(self._token, row)] for row in rows]
        if len(found) != len(texts):
            raise refusal(
                self,
                "got another number of texts from its function split",
                expected=f"a list of tokens for each of {len(texts)} texts",
                received=f"{len(found)} lists",
                remedy="Return a list of lists of tokens.",
            )
        return found

    def _lamina_text_outputs(self, inputs: Any) -> Any:
        if not inputs.is_text:
            return super()._lamina_text_outputs(inputs)
        shape = inputs.shape
        if self.split is None:
            rows, length = shape[:-1], shape[-1] if shape else 1
        else:
            rows, length = shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape, None
            if len(rows) > 1:
                raise self._refused_axes(shape)
        if self._widths is not None:
            length = None
        if self.output_mode == "int" and self.output_sequence_length is not None:
            length = self.output_sequence_length
        return self._encoded_spec((*rows, length))

    def _refused_axes(self, shape: tuple[Any, ...]) -> InputError:
        return refusal(
            self,
            "got texts in too many axes to split them",
            expected="texts [batch], or [batch, 1]",
            received=f"shape {shape}",
            remedy="Pass one text for each example, or set split=None.",
        )

    def call(self, inputs: Any) -> jax.Array:
        self._ready()
        text = self._array(inputs)
        shape, tokens = self._tokens_of(text)
        sizes = np.array([*map(len, tokens)], int)
        if self.output_mode == "int" and self.output_sequence_length is not None:
            length = self.output_sequence_length
        else:
            length = int(sizes.max(initial=0))
        tokens = [row[:length] for row in tokens]
        indices = np.full((len(tokens), length), 0 if self.output_mode == "int" else -1)
        filled = np.arange(length) < sizes[:, None]
        indices[filled] = self._indices([*chain.from_iterable(tokens)])
        alone = self.split is None and text.ndim == 0 and self._widths is None
        whole = () if alone and self.output_sequence_length is None else (*shape, length)
        return self._encoded(as_array(indices.reshape(whole), "An index"))
