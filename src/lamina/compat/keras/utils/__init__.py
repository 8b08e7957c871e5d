"""`keras.utils`: data, files, names and plots."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.utils",
    {
        "lamina.compat.keras.backend": ("clear_session", "is_keras_tensor", "standardize_dtype"),
        "lamina.compat.keras.config": (
            "disable_interactive_logging",
            "enable_interactive_logging",
            "is_interactive_logging_enabled",
        ),
        "lamina.compat.keras.graphs": ("get_source_inputs",),
        "lamina.compat.keras.saving": (
            "CustomObjectScope",
            "custom_object_scope",
            "deserialize_keras_object",
            "get_custom_objects",
            "get_registered_name",
            "get_registered_object",
            "register_keras_serializable",
            "serialize_keras_object",
        ),
        "lamina.compat.tf.keras.utils": (
            "PyDataset",
            "Sequence",
            "pad_sequences",
        ),
        "lamina.compat.keras.utils.arrays": (
            "Config",
            "normalize",
            "pack_x_y_sample_weight",
            "to_categorical",
            "unpack_x_y_sample_weight",
        ),
        "lamina.compat.keras.utils.datasets": ("split_dataset", "timeseries_dataset_from_array"),
        "lamina.compat.keras.utils.feature_space": ("FeatureSpace",),
        "lamina.compat.keras.utils.files": ("get_file",),
        "lamina.compat.keras.utils.folders": (
            "audio_dataset_from_directory",
            "image_dataset_from_directory",
            "text_dataset_from_directory",
        ),
        "lamina.compat.keras.utils.images": (
            "array_to_img",
            "img_to_array",
            "load_img",
            "save_img",
        ),
        "lamina.compat.keras.utils.plots": ("model_to_dot", "plot_model"),
        "lamina.compat.keras.utils.progress": ("Progbar",),
        "lamina.compat.keras.utils.seeds": ("set_random_seed",),
    },
    ("bounding_boxes", "legacy"),
)
