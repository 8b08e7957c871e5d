"""Names of Keras 3 that are not supported, and those that differ from Keras."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.compat.missing import missing_name

__all__ = ["DIFFERS", "INSTEAD", "missing"]

_DATASETS = "Lamina downloads no data: load the arrays yourself, for example with numpy.load."
_HANDLERS = "Pass arrays, a keras.utils.PyDataset or an iterable of batches to fit."
_POLICY = "Pass the name of a policy, such as 'mixed_bfloat16', as dtype."
_QUANTIZED = "Quantization is not supported yet; use a dtype policy such as 'bfloat16'."
_PLACED = "Use lamina.distribute and jax.sharding."
_BOXES = "Compute boxes with keras.ops."
_AUGMENT = "Combine the layers of augmentation that are there in a Sequential."
_WRAPPED = "Write a Layer whose call does the computation in JAX."
_GALLERY = "Draw with matplotlib."

INSTEAD: dict[str, str] = {
    "keras.Function": "Use keras.Model(inputs, outputs).",
    "keras.Operation": "Use keras.Layer.",
    "keras.Quantizer": _QUANTIZED,
    "keras.RematScope": "Use lamina.remat(layer).",
    "keras.StatelessScope": "Use layer.apply(values, ...), which is pure.",
    "keras.SymbolicScope": "Use layer.plan(...), which computes nothing.",
    "keras.callbacks.OrbaxCheckpoint": "Use keras.callbacks.BackupAndRestore or Trainer.save.",
    "keras.callbacks.ProgbarLogger": "fit shows a progress bar; set verbose.",
    "keras.callbacks.RemoteMonitor": "Write a Callback that sends the logs.",
    "keras.config.disable_traceback_filtering": "Errors always have the full traceback.",
    "keras.config.enable_traceback_filtering": "Errors always have the full traceback.",
    "keras.config.enable_unsafe_deserialization": (
        "Nothing from a file is run: pass functions and classes as custom_objects."
    ),
    "keras.config.is_nnx_enabled": "There is no Flax in Lamina.",
    "keras.config.is_traceback_filtering_enabled": "Errors always have the full traceback.",
    "keras.config.max_epochs": "Pass epochs to fit.",
    "keras.config.max_steps_per_epoch": "Pass steps_per_epoch to fit.",
    "keras.config.set_backend": "The backend is JAX.",
    "keras.config.set_max_epochs": "Pass epochs to fit.",
    "keras.config.set_max_steps_per_epoch": "Pass steps_per_epoch to fit.",
    "keras.datasets": _DATASETS,
    "keras.distillation": "Compute the loss of both models in train_loss.",
    "keras.distribution": _PLACED,
    "keras.dtype_policies": _POLICY,
    "keras.export": "Use model.export(path), and lamina.load_exported(path).",
    "keras.layers.AugMix": _AUGMENT,
    "keras.layers.ContrastLimitedAdaptiveHistogramEqualization": _AUGMENT,
    "keras.layers.FlaxLayer": _WRAPPED,
    "keras.layers.JaxLayer": _WRAPPED,
    "keras.layers.MaxNumBoundingBoxes": _BOXES,
    "keras.layers.Pipeline": "Use keras.Sequential.",
    "keras.layers.RandAugment": _AUGMENT,
    "keras.layers.RandomColorDegeneration": "Use keras.layers.RandomSaturation.",
    "keras.layers.RandomElasticTransform": _AUGMENT,
    "keras.layers.TFSMLayer": "Models of TensorFlow are not read.",
    "keras.layers.TorchModuleWrapper": _WRAPPED,
    "keras.layers.Wrapper": "Write a Layer with the other layer as an attribute.",
    "keras.ops.image.elastic_transform": _AUGMENT,
    "keras.preprocessing.text": "Use keras.layers.TextVectorization.",
    "keras.quantizers": _QUANTIZED,
    "keras.saving.KerasFileEditor": "Read the .keras file as a zip archive.",
    "keras.utils.FeatureSpace": "Use keras.layers.StringLookup, Discretization and others.",
    "keras.utils.audio_dataset_from_directory": _HANDLERS,
    "keras.utils.bounding_boxes": _BOXES,
    "keras.utils.get_source_inputs": "Use model.inputs.",
    "keras.utils.model_to_dot": "Use keras.utils.plot_model.",
    "keras.visualization": _GALLERY,
    "keras.wrappers": "Call fit and predict of the model.",
}
"""What serves instead of a name, or of all names of a namespace, that Lamina does not have."""

_BATCHES = "it returns batches with map, take, skip, cache and prefetch, which fit accepts"

_MODEL = "train_step, test_step and predict_step take (self, state, data), as Keras has them on JAX"

DIFFERS: dict[str, str] = {
    "keras.KerasTensor": "the symbols of Lamina's graphs",
    "keras.Model": _MODEL,
    "keras.models.Model": _MODEL,
    "keras.models.clone_model": "the functions of Lambda layers must be defined by def in a module",
    "keras.name_scope": "without effect: a weight's path follows from the names of attributes",
    "keras.ops.bincount": "on arrays with known values only",
    "keras.ops.ctc_decode": "the greedy strategy only",
    "keras.ops.nonzero": "on arrays with known values only",
    "keras.ops.unique": "on arrays with known values, unless size is given",
    "keras.optimizers": "optax transformations with the methods of Keras",
    "keras.optimizers.schedules": "called with the step of an optax transformation",
    "keras.preprocessing.image_dataset_from_directory": _BATCHES,
    "keras.preprocessing.text_dataset_from_directory": _BATCHES,
    "keras.preprocessing.timeseries_dataset_from_array": _BATCHES,
    "keras.random": "inside a compiled call, draws come from the key of the call",
    "keras.utils.clear_session": "it restarts the numbers of get_uid only: Lamina keeps no models",
    "keras.utils.image_dataset_from_directory": _BATCHES,
    "keras.utils.split_dataset": _BATCHES,
    "keras.utils.text_dataset_from_directory": _BATCHES,
    "keras.utils.timeseries_dataset_from_array": _BATCHES,
}
"""How the names that Lamina has differ from Keras's. A namespace stands for all its names."""


def missing(namespace: str, name: str, known: Iterable[str]) -> Exception:
    """The error for `namespace.name`, with a replacement or the nearest name.

    Args:
        namespace: the namespace, such as ``"keras.ops"``.
        name: the missing name.
        known: the supported names of the namespace.

    >>> print(missing("keras.layers", "Pipeline", []))
    lamina.compat.keras has no keras.layers.Pipeline.
      received: keras.layers.Pipeline
      remedy:   Use keras.Sequential.
    """
    otherwise = f"dir({namespace}) lists the supported names."
    return missing_name("lamina.compat.keras", namespace, name, known, INSTEAD, otherwise)
