"""`FeatureSpace`: the preparation of tables of numbers and text."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import lamina
from lamina import Input, layers
from lamina.compat.keras.utils.arguments import choice, wrong

__all__ = ["Cross", "Feature", "FeatureSpace", "load_feature_space"]

_BATCH = 32  # elements that Keras takes at once to adapt
_SIZES = (
    (layers.IntegerLookup | layers.StringLookup, "vocabulary_size"),
    (layers.CategoryEncoding, "num_tokens"),
    (layers.Discretization | layers.Hashing | layers.HashedCrossing, "num_bins"),
)
_numbers = itertools.count()


@dataclass(frozen=True)
class Cross:
    """Features that are hashed together.

    Args:
        feature_names: their names.
        crossing_dim: the number of bins.
        output_mode: ``"one_hot"`` (default) or ``"int"``.
    """

    feature_names: tuple[str, ...]
    crossing_dim: int
    output_mode: str = "one_hot"

    def __post_init__(self) -> None:
        choice("FeatureSpace.cross", "output_mode", self.output_mode, ("int", "one_hot"))
        object.__setattr__(self, "feature_names", tuple(self.feature_names))

    @property
    def name(self) -> str:
        """The name of the crossed feature."""
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data."""
        return vars(self) | {"feature_names": list(self.feature_names)}


@dataclass(frozen=True)
class Feature:
    """A feature and its preparation.

    Args:
        dtype: ``"float32"``, ``"int32"`` or ``"string"``.
        preprocessor: the layer that prepares it.
        output_mode: what is made of its outputs: ``"float"``, ``"int"`` or ``"one_hot"``.
    """

    dtype: str
    preprocessor: Any
    output_mode: str

    def __post_init__(self) -> None:
        choice("FeatureSpace.feature", "output_mode", self.output_mode, ("int", "one_hot", "float"))

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data, with what the layer found in data."""
        layer = self.preprocessor
        if isinstance(layer, layers.Normalization) and layer.input_mean is None:
            config = layer.get_config()
            moments = [np.asarray(one).tolist() for one in (layer.mean, layer.variance)]
            layer = layers.Normalization.from_config(
                config | dict(zip(("mean", "variance"), moments, strict=True))
            )
        return vars(self) | {"preprocessor": lamina.serialize(layer)}


class FeatureSpace:
    """Prepares the columns of a table: numbers and text become one vector, or a dict of vectors.

    Each feature goes through a layer, such as `Normalization` or `StringLookup`, and categories
    become vectors of zeros and ones. Features may be crossed: hashed together.

    Args:
        features: by name, the kind of each feature: ``"float"``, ``"float_normalized"``,
            ``"float_rescaled"``, ``"float_discretized"``, ``"integer_categorical"``,
            ``"string_categorical"``, ``"integer_hashed"``, ``"string_hashed"``; or what the method
            of that name, or :meth:`feature`, returns.
        output_mode: ``"concat"`` (default) for one vector: of the features by name, and of the
            crosses; ``"dict"`` for a dict of them.
        crosses: tuples of names, or what :meth:`cross` returns. Default None: none.
        crossing_dim: the number of bins of crosses. Default 32.
        hashing_dim: the number of bins of hashed features. Default 32.
        num_discretization_bins: the number of bins of discretized features. Default 32.
        name: Default None.

    Raises:
        InputError: an argument is not valid.

    >>> data = {"age": [20.0, 30.0, 40.0], "city": ["Oslo", "Rome", "Oslo"]}
    >>> space = FeatureSpace({"age": "float_normalized", "city": "string_categorical"})
    >>> space.adapt(data)
    >>> np.asarray(space({"age": 30.0, "city": "Rome"})).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        output_mode: str = "concat",
        crosses: Iterable[Any] | None = None,
        crossing_dim: int | None = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        if not features:
            raise wrong("FeatureSpace has no features.", "features", features, "Pass at least one.")
        choice("FeatureSpace", "output_mode", output_mode, ("concat", "dict"))
        self.name = name or "feature_space"
        self.output_mode, self.crossing_dim = output_mode, crossing_dim
        self.hashing_dim, self.num_discretization_bins = hashing_dim, num_discretization_bins
        self.features = {key: self._feature(key, value) for key, value in features.items()}
        self.crosses = [self._cross(one) for one in crosses or ()]
        self.inputs = {
            key: Input((1,), dtype=one.dtype, name=key) for key, one in self.features.items()
        }
        self.preprocessors = {key: one.preprocessor for key, one in self.features.items()}
        self.crossers = {
            one.name: layers.HashedCrossing(one.crossing_dim, name=one.name) for one in self.crosses
        }
        self.one_hot_encoders: dict[str, Any] = {}
        self._adaptable = [key for key, layer in self.preprocessors.items() if not _is_ready(layer)]
        self._is_adapted = not self._adaptable
        self._encoded: Any = None
        self._model: Any = None

    @classmethod
    def cross(
        cls, feature_names: Iterable[str], crossing_dim: int, output_mode: str = "one_hot"
    ) -> Cross:
        """Features to hash together; see :class:`Cross`."""
        return Cross(tuple(feature_names), crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """A feature that a layer of one's own prepares; see :class:`Feature`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        return Feature("float32", layers.Identity(name=_named("float", name)), "float")

    @classmethod
    def float_rescaled(
        cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None
    ) -> Feature:
        """Numbers times `scale` plus `offset`."""
        layer = layers.Rescaling(scale, offset, name=_named("float_rescaled", name))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers of mean 0 and variance 1."""
        layer = layers.Normalization(axis=-1, name=_named("float_normalized", name))
        return Feature("float32", layer, "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: int,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Numbers as their bins."""
        layer = layers.Discretization(
            bin_boundaries, num_bins, name=_named("float_discretized", name)
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Integers as their indices in a vocabulary."""
        named = _named("integer_categorical", name)
        layer = layers.IntegerLookup(max_tokens, num_oov_indices, name=named)
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Strings as their indices in a vocabulary."""
        named = _named("string_categorical", name)
        layer = layers.StringLookup(max_tokens, num_oov_indices, name=named)
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Strings as the bins of their hashes."""
        layer = layers.Hashing(num_bins, name=_named("string_hashed", name))
        return Feature("string", layer, output_mode)

    @classmethod
    def integer_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Integers as the bins of their hashes."""
        layer = layers.Hashing(num_bins, name=_named("integer_hashed", name))
        return Feature("int32", layer, output_mode)

    def adapt(self, dataset: Any) -> None:
        """Find vocabularies, moments and bins in data.

        Args:
            dataset: a dict of arrays or lists, or an iterable of dicts, of batches or of single
                values.

        Raises:
            InputError: the data lack a feature; or all layers that could adapt were made with what
                they would find, as those of a file are.
        """
        fixed = [key for key, one in self.preprocessors.items() if hasattr(one, "adapt")]
        if fixed and not self._adaptable:
            raise wrong(
                "FeatureSpace has nothing to adapt.",
                "a layer without a vocabulary, bins or moments",
                f"layers that have them, of {', '.join(fixed)}",
                "Make a new FeatureSpace, and call adapt on that.",
            )
        whole = isinstance(dataset, Mapping)
        rows: list[Any] = [dataset] if whole else list(cast("Iterable[Any]", dataset))
        for key in self._adaptable:
            batches = [self._column(key, row) for row in rows]
            if whole or batches[0].ndim == 0:
                column = np.concatenate([np.atleast_1d(one) for one in batches])
                batches = [column[at : at + _BATCH] for at in range(0, len(column), _BATCH)]
            self.preprocessors[key].adapt(
                _Batches([one[:, None] if one.ndim == 1 else one for one in batches])
            )
        self._is_adapted, self._encoded, self._model = True, None, None
        self.get_encoded_features()

    def get_inputs(self) -> dict[str, Any]:
        """The inputs of a graph, by the names of the features."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """The symbols of the prepared features, for the inputs of :meth:`get_inputs`.

        Raises:
            InputError: `adapt` was not called; or a feature cannot be encoded so.
        """
        if not self._is_adapted:
            raise wrong(
                "FeatureSpace has not seen data yet.",
                "a call of adapt",
                f"none, for {', '.join(self._adaptable)}",
                "You need to call `.adapt(data)` first.",
            )
        if self._encoded is None:
            found = {key: self.preprocessors[key](self.inputs[key]) for key in sorted(self.inputs)}
            crossed = {
                one.name: self.crossers[one.name]([found[key] for key in one.feature_names])
                for one in sorted(self.crosses, key=lambda cross: cross.name)
            }
            modes = {key: one.output_mode for key, one in self.features.items()}
            modes |= {one.name: one.output_mode for one in self.crosses}
            made = {key: self._one_hot(key, one, modes[key]) for key, one in found.items()}
            made |= {key: self._one_hot(key, one, modes[key]) for key, one in crossed.items()}
            self._encoded = made if self.output_mode == "dict" else self._joined(made)
        return self._encoded

    def __call__(self, data: Mapping[str, Any]) -> Any:
        """Prepare data.

        Args:
            data: by the names of the features, single values, or arrays or lists ``[batch]`` or
                ``[batch, size]``.

        Returns:
            An array ``[batch, size]``, or a dict of them; without the batch for single values.

        Raises:
            InputError: `adapt` was not called, or the data are no dict of the features.
        """
        encoded = self.get_encoded_features()
        if not isinstance(data, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong("FeatureSpace got no dict.", "a dict of the features", data, "Pass one.")
        columns = {key: self._column(key, data) for key in self.features}
        single = any(column.ndim == 0 for column in columns.values())
        batch = {key: one.reshape(-1, 1) if one.ndim < 2 else one for key, one in columns.items()}
        if self._model is None:
            self._model = lamina.Model(self.inputs, encoded)
        made = self._model(batch)
        if not isinstance(made, dict):
            return made[0] if single else made
        parts = cast("dict[str, Any]", made)
        return {key: one[0] if single and one.ndim == 2 else one for key, one in parts.items()}

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data, with what the layers found in data."""
        return {
            "features": {key: one.get_config() for key, one in self.features.items()},
            "output_mode": self.output_mode,
            "crosses": [one.get_config() for one in self.crosses],
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureSpace:
        """Make a space from :meth:`get_config`, which needs no `adapt`."""
        return cls(**config)

    def save(self, filepath: str | os.PathLike[str]) -> None:
        """Write the space to a file, which `keras.models.load_model` reads.

        Args:
            filepath: the path of the file, ``.keras``.
        """
        config = {"module": "keras.utils", "class_name": "FeatureSpace"}
        with zipfile.ZipFile(filepath, "w") as archive:
            archive.writestr("config.json", json.dumps(config | {"config": self.get_config()}))

    def _feature(self, name: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        if isinstance(kind, Mapping):
            given = dict(cast("Mapping[str, Any]", kind))
            return Feature(**given | {"preprocessor": lamina.deserialize(given["preprocessor"])})
        plain = {
            "float": self.float,
            "float_normalized": self.float_normalized,
            "float_rescaled": self.float_rescaled,
            "integer_categorical": self.integer_categorical,
            "string_categorical": self.string_categorical,
        }
        hashed = {"integer_hashed": self.integer_hashed, "string_hashed": self.string_hashed}
        choice("FeatureSpace", f"feature {name!r}", kind, (*plain, *hashed, "float_discretized"))
        if kind in plain:
            return plain[kind](name=name)
        if kind in hashed:
            return hashed[kind](self.hashing_dim, name=name)
        return self.float_discretized(self.num_discretization_bins, name=name)

    def _cross(self, given: Any) -> Cross:
        if isinstance(given, Mapping):
            return Cross(**cast("Mapping[str, Any]", given))
        if isinstance(given, Cross):
            made = given
        else:
            if not self.crossing_dim:
                raise wrong(
                    "crosses need a `crossing_dim`.", "an int", self.crossing_dim, "Pass it."
                )
            made = Cross(tuple(cast("Iterable[str]", given)), self.crossing_dim)
        if not set(made.feature_names) <= set(self.features):
            expected, remedy = f"names among {list(self.features)}", "Correct the names."
            raise wrong("A cross has unknown features.", expected, made.feature_names, remedy)
        return made

    def _column(self, name: str, row: Any) -> np.ndarray[Any, Any]:
        """A feature of data, in its dtype."""
        if not isinstance(row, Mapping) or name not in row:
            raise wrong(f"The data lack the feature {name!r}.", name, cast("Any", row), "Pass it.")
        column = np.asarray(cast("Mapping[str, Any]", row)[name])
        dtype = self.features[name].dtype
        numbers = dtype.startswith("float") and column.dtype.kind in "fiub"
        return column.astype(dtype) if numbers or column.dtype.kind == "b" else column

    def _one_hot(self, name: str, feature: Any, mode: str) -> Any:
        if mode != "one_hot":
            return feature
        layer = self.preprocessors.get(name) or self.crossers[name]
        sizes: Any = [getattr(layer, size) for kind, size in _SIZES if isinstance(layer, kind)]
        if not sizes or not str(feature.dtype).startswith("int"):
            raise wrong(
                f"The feature {name!r} cannot be encoded as a one-hot vector.",
                "indices of a lookup, bins or hashes",
                f"{feature.dtype} from {type(layer).__name__}",
                "Set its output_mode to 'int' or 'float'.",
            )
        tokens = sizes[0]() if callable(sizes[0]) else sizes[0]
        encoder = self.one_hot_encoders[name] = layers.CategoryEncoding(tokens, "multi_hot")
        return encoder(feature)

    def _joined(self, features: dict[str, Any]) -> Any:
        for name, one in features.items():
            if str(one.dtype).startswith(("int", "string")):
                raise wrong(
                    f"The feature {name!r} is not encoded, and cannot be part of a vector.",
                    "a feature of floats",
                    f"dtype {one.dtype}",
                    "Set output_mode='dict'.",
                )
        parts = list(features.values())
        return layers.Concatenate(axis=-1)(parts) if len(parts) > 1 else parts[0]


class _Batches:
    """Batches that may be read several times."""

    def __init__(self, batches: Sequence[np.ndarray[Any, Any]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        return iter(self.batches)


def load_feature_space(filepath: str | os.PathLike[str]) -> FeatureSpace | None:
    """Make the space that `save` wrote; None if the file is another one.

    Args:
        filepath: the path of the file.
    """
    if not zipfile.is_zipfile(filepath):
        return None
    with zipfile.ZipFile(filepath) as archive:
        if "config.json" not in archive.namelist() or len(archive.namelist()) > 1:
            return None
        described = json.loads(archive.read("config.json"))
    found = cast("dict[str, Any]", described) if isinstance(described, dict) else {}
    if found.get("class_name") != "FeatureSpace":
        return None
    return FeatureSpace.from_config(found["config"])


def _named(kind: str, name: str | None) -> str:
    return f"{name or f'{kind}_{next(_numbers)}'}_preprocessor"


def _is_ready(layer: Any) -> bool:
    """Whether a layer needs no data before it is called."""
    if not hasattr(layer, "adapt"):
        return True
    if isinstance(layer, layers.Normalization):
        return layer.input_mean is not None or bool(layer.variables)
    if isinstance(layer, layers.Discretization):
        return layer.bin_boundaries is not None
    return not hasattr(layer, "get_vocabulary") or bool(layer.get_vocabulary(False))
