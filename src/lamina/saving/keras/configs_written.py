"""Writing configs that Keras reads."""

from __future__ import annotations

import itertools
from typing import Any, cast

from lamina.activations import get as activation_named
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import children
from lamina.errors import LaminaError, UnknownNameError, explain
from lamina.registered import registered_name
from lamina.saving.allowed_names import CONFIGURED, LAYERS
from lamina.saving.config_writer import FUNCTION, TUPLE, VALUE, Writer
from lamina.saving.keras.quantized import policy_of
from lamina.saving.lookup import is_ours

__all__ = ["KerasWriter"]

_LAMINA_ONLY = frozenset(
    {
        "Ensemble",
        "Layer",
        "Remat",
        "Residual",
        "RotaryEmbedding",
        "Stack",
        "TransformerDecoderBlock",
        "TransformerEncoderBlock",
        "Translating",
    }
)
"""Layers that Keras does not have."""

_ACTIVATIONS_ONLY = frozenset({"hard_sigmoid_keras2"})
"""Activations that Keras 3 does not have."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "Bidirectional": {"weights": None},
    "Cropping1D": {"data_format": "channels_last"},
    "Embedding": {"weights": None},
    "GRU": {"use_cudnn": "auto"},
    "GRUCell": {"activity_regularizer": None},
    "GroupedQueryAttention": {"flash_attention": None, "rotary": None},
    "LSTM": {"use_cudnn": "auto"},
    "LSTMCell": {"activity_regularizer": None},
    "MultiHeadAttention": {"flash_attention": None, "rotary": None},
    "Pipeline": {"activity_regularizer": None, "dtype": "float32"},
    "SimpleRNN": {"seed": None},
    "SimpleRNNCell": {"activity_regularizer": None},
    "UpSampling1D": {"data_format": "channels_last", "interpolation": "nearest"},
    "UpSampling3D": {"interpolation": "nearest"},
}
"""Options that Keras's configs do not have, with the values that they have in Keras."""

_WITHOUT_TRAINABLE = frozenset(
    {
        "Discretization",
        "HashedCrossing",
        "Pipeline",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)
"""Layers without weights that do not take the option `trainable` in Keras."""

_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}


class KerasWriter(Writer):
    """Converts layers to configs of Keras 3.

    Attributes:
        problems: what Keras cannot hold, for one error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def value(self, value: Any, place: str, lists: bool = False) -> Any:
        """Convert a value; what Keras cannot hold is noted, and becomes None."""
        try:
            described = super().value(value, place, True)
        except LaminaError as error:
            return self._problem(f"{place}: {str(error).partition(chr(10))[0]}")
        if not isinstance(described, dict):
            return described
        fields = cast("dict[str, Any]", described)
        kind = fields.get("class_name")
        if kind == TUPLE:
            return fields["items"]
        if kind == VALUE:
            return self._problem(f"{place}: {value!r}")
        if kind == FUNCTION:
            name = fields["config"]
            try:
                known = activation_named(name) is value and name not in _ACTIVATIONS_ONLY
            except UnknownNameError:
                known = False
            if known:
                return name
            if is_ours(str(fields["module"])) or str(fields["module"]).startswith("jax"):
                return self._problem(f"{place}: the function {name!r}")
            return {**fields, "module": "builtins", "config": str(name).rpartition(".")[2]}
        return fields

    def object(self, thing: Any) -> dict[str, Any]:
        """Convert an object with a method `get_config`."""
        described = super().object(thing)
        module, _, room = str(described["module"]).rpartition(".")
        name, config = described["class_name"], described["config"]
        if not is_ours(str(described["module"])):
            kind = type(thing).__name__  # by which Keras looks the class up
            known = registered_name(type(thing)) or kind
            described.update(module=None, class_name=kind, registered_name=known)
            if "output_layers" in config and hasattr(thing, "_complete_graph"):
                self._graph(config, thing)
            return described
        if module != "lamina" and not module.startswith("lamina"):
            return described
        if module == "" or f"{described['module']}:{name}" not in LAYERS | CONFIGURED:
            self._problem(f"{name} {_label(thing)}")
        elif name in _LAMINA_ONLY or room in ("seq2seq",):
            self._problem(f"the layer {name} {_label(thing)}")
        if room == "layers":
            self._layer(name, config, thing)
            described.update(module="keras.layers", class_name=_NAMES.get(name, name))
        elif room == "models":
            self._model(described, thing)
        else:
            described["module"] = f"keras.{room}"
            inner: Any = config.values() if room == "quantizers" else ()
            for one in inner:
                if isinstance(one, dict):  # a quantizer
                    cast("dict[str, Any]", one)["module"] = described["module"]
        return described

    def _layer(self, name: str, config: dict[str, Any], thing: Any) -> None:
        if name == "Lambda" and isinstance(config.get("function"), str):  # an activation
            config["function"] = {
                "module": "builtins",
                "class_name": "function",
                "config": config["function"],
                "registered_name": "function",
            }
        for option in ("lora_alpha", "lora_rank"):  # kernels are written with their changes added
            config.pop(option, None)
        policy = policy_of(thing)
        if policy is not None:
            config["dtype"] = policy
        elif "Attention" in name and any(policy_of(one) for _, one in children(thing)):
            self._problem(f"the quantized projections of {name} {_label(thing)}")
        if name in _WITHOUT_TRAINABLE:
            config.pop("trainable", None)
        for option, plain in _OPTIONS.get(name, {}).items():
            value = config.pop(option, plain)
            if value != plain:
                self._problem(f"{option}={value!r} of {name} {_label(thing)}")
        for option in ("activation", "recurrent_activation"):
            if isinstance(config.get(option), str) and config[option] in _ACTIVATIONS_ONLY:
                self._problem(f"{option}={config[option]!r} of {name} {_label(thing)}")

    def _model(self, described: dict[str, Any], thing: Any) -> None:
        name, config = described["class_name"], described["config"]
        if name == "Sequential":
            described["module"] = "keras"
            taken = set[str]()
            for entry in config["layers"]:
                own = str(entry["config"].get("name") or "layer")
                numbered = (f"{own}_{number}" for number in itertools.count(1))
                name = next(n for n in itertools.chain([own], numbered) if n not in taken)
                taken.add(name)
                entry["config"]["name"] = name
        elif name == "Functional":
            described.update(module="keras.src.models.functional", registered_name="Functional")
            self._graph(config, thing)
        elif name == "Model":
            self._problem(f"a Model without a graph {_label(thing)}")

    def _graph(self, config: dict[str, Any], thing: Any) -> None:
        config.pop("dtype", None)
        thing._complete_graph(config)
        inner = {one["name"] for one in config["layers"] if one["class_name"] == "Functional"}
        config["output_layers"] = _from_one(config["output_layers"], inner)

    def _find_left(self, described: Any) -> None:
        """Note objects that still have a class of Lamina, such as operators outside of graphs.

        Those that a layer of one's own describes in its config get the module that Keras has.
        """
        if isinstance(described, list):
            for item in cast("list[Any]", described):
                self._find_left(item)
        elif isinstance(described, dict):
            fields = cast("dict[str, Any]", described)
            module, kind = str(fields.get("module")), str(fields.get("class_name"))
            if module != "lamina.layers" and f"{module}:{kind}" in CONFIGURED:
                fields["module"] = f"keras.{module.rpartition('.')[2]}"
            elif "class_name" in fields and is_ours(module):
                self._problem(f"the class {fields['class_name']!r} of {fields['module']}")
            self._find_left(list(fields.values()))

    def _problem(self, text: str) -> None:
        self.problems.append(text)

    def check(self, described: Any, path: str, layer: Tracked) -> None:
        """Check that Keras can hold what was converted.

        Args:
            described: the result of :meth:`object`.
            path: the path of the file, for the error.
            layer: the root.

        Raises:
            LaminaError: it cannot; the error names all parts.
        """
        self._find_left(described)
        if self.problems:
            raise LaminaError(
                explain(
                    "\n".join(
                        [
                            f"{type(layer).__name__} cannot be written as a file of Keras:",
                            *(f"  {problem}" for problem in dict.fromkeys(self.problems)),
                        ]
                    ),
                    where=f"made at {layer._lamina.made_at}",
                    expected="layers, options and functions that Keras 3 has",
                    received=f"{len(self.problems)} that it has not; {path!r} was not touched",
                    remedy="Save as 'model.safetensors', for example, in Lamina's format.",
                )
            )


def _from_one(ends: Any, inner: set[str]) -> Any:
    """Count the calls of inner graphs from 1: in outputs, Keras counts their own call too."""
    if isinstance(ends, dict):
        fields = cast("dict[str, Any]", ends)
        return {name: _from_one(end, inner) for name, end in fields.items()}
    items = cast("list[Any]", ends)
    if len(items) == 3 and isinstance(items[0], str):
        return [items[0], items[1] + (items[0] in inner), items[2]]
    return [_from_one(item, inner) for item in items]


def _label(thing: Any) -> str:
    if isinstance(thing, Tracked):
        return f"made at {thing._lamina.made_at}"
    return ""
