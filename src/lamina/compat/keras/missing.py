"""Names of Keras 3 that are not supported, and those that differ from Keras."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.compat.missing import missing_name

__all__ = ["DIFFERS", "INSTEAD", "missing"]

_POLICY = "Pass the name of a policy, such as 'mixed_bfloat16', as dtype."
_FLOAT8 = "Training in float8 is not supported: use the dtype policy 'mixed_bfloat16'."
_CALIBRATED = (
    "Weights are not calibrated on data: use model.quantize('int4') with a small block_size."
)

INSTEAD: dict[str, str] = {
    "keras.callbacks.OrbaxCheckpoint": "Use keras.callbacks.BackupAndRestore or Trainer.save.",
    "keras.dtype_policies": _POLICY,
    "keras.dtype_policies.AWQDTypePolicy": _CALIBRATED,
    "keras.dtype_policies.DTypePolicyMap": "Pass dtype to each layer.",
    "keras.dtype_policies.GPTQDTypePolicy": _CALIBRATED,
    "keras.dtype_policies.QuantizedFloat8DTypePolicy": _FLOAT8,
    "keras.layers.TFSMLayer": "Models of TensorFlow are not read.",
    "keras.layers.TorchModuleWrapper": "Modules of PyTorch do not run on JAX.",
    "keras.preprocessing.text": "Use keras.layers.TextVectorization.",
    "keras.quantizers": "Use quantize('int8') or quantize('int4') of models and layers.",
    "keras.quantizers.AWQConfig": _CALIBRATED,
    "keras.quantizers.Float8QuantizationConfig": _FLOAT8,
    "keras.quantizers.GPTQConfig": _CALIBRATED,
}
"""What serves instead of a name, or of all names of a namespace, that Lamina does not have."""

_BATCHES = "it returns batches with map, shuffle, rebatch and others, which fit accepts"

_TRAINING = "called on its own, it changes images with training=True only"
_AUGMENTING = [
    "AugMix",
    "CutMix",
    "Equalization",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "Solarization",
]

_PLACED = "all processes of a program pass the same data to fit"

_MASKS = "masks go along within the call of a model; layers called one by one take mask="

_MODEL = "train_step, test_step and predict_step take (self, state, data), as Keras has them on JAX"

DIFFERS: dict[str, str] = {
    "keras.KerasTensor": "the symbols of Lamina's graphs; the name of one that is no input is None",
    "keras.Model": _MODEL,
    **{f"keras.layers.{name}": _TRAINING for name in _AUGMENTING},
    "keras.layers.RandomCrop": f"{_TRAINING}, and otherwise resizes the central part",
    "keras.RematScope": "the mode 'larger_than' is that of all layers",
    "keras.SymbolicScope": "without effect: layers on symbols compute nothing",
    "keras.config.enable_unsafe_deserialization": "without effect: nothing from a file is run",
    "keras.config.max_epochs": "None only",
    "keras.config.max_steps_per_epoch": "None only",
    "keras.config.set_max_epochs": "None only",
    "keras.config.set_max_steps_per_epoch": "None only",
    "keras.distribution.DataParallel": _PLACED,
    "keras.distribution.ModelParallel": _PLACED,
    "keras.layers.Masking": _MASKS,
    "keras.models.Model": _MODEL,
    "keras.name_scope": "without effect: a weight's path follows from the names of attributes",
    "keras.ops.bincount": "on arrays with known values only",
    "keras.ops.nonzero": "on arrays with known values only",
    "keras.ops.unique": "on arrays with known values, unless size is given",
    "keras.optimizers": "optax transformations with the methods of Keras",
    "keras.optimizers.schedules": "called with the step of an optax transformation",
    "keras.preprocessing.image_dataset_from_directory": _BATCHES,
    "keras.preprocessing.text_dataset_from_directory": _BATCHES,
    "keras.preprocessing.timeseries_dataset_from_array": _BATCHES,
    "keras.random": "inside a compiled call, draws come from the key of the call",
    "keras.utils.audio_dataset_from_directory": _BATCHES,
    "keras.utils.clear_session": "it restarts the numbers of get_uid only: Lamina keeps no models",
    "keras.utils.image_dataset_from_directory": _BATCHES,
    "keras.utils.model_to_dot": "an object with the methods of pydot that write pictures",
    "keras.utils.split_dataset": _BATCHES,
    "keras.utils.text_dataset_from_directory": _BATCHES,
    "keras.utils.timeseries_dataset_from_array": _BATCHES,
    "keras.visualization.draw_bounding_boxes": "lines and letters are those of Pillow",
}
"""How the names that Lamina has differ from Keras's. A namespace stands for all its names."""


def missing(
    namespace: str, name: str, known: Iterable[str], instead: str | None = None
) -> Exception:
    """The error for `namespace.name`, with a replacement or the nearest name.

    Args:
        namespace: the namespace, such as ``"keras.ops"``.
        name: the missing name.
        known: the supported names of the namespace.
        instead: what serves instead. Default None: what `INSTEAD` says.

    >>> print(missing("keras.layers", "TFSMLayer", []))
    lamina.compat.keras has no keras.layers.TFSMLayer.
      received: keras.layers.TFSMLayer
      remedy:   Models of TensorFlow are not read.
    """
    otherwise = f"dir({namespace}) lists the supported names."
    given = INSTEAD if instead is None else {f"{namespace}.{name}": instead}
    return missing_name("lamina.compat.keras", namespace, name, known, given, otherwise)
