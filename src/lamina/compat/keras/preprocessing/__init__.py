"""`keras.preprocessing`: images, sequences and data sets."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.preprocessing",
    {
        "lamina.compat.keras.utils": (
            "image_dataset_from_directory",
            "text_dataset_from_directory",
            "timeseries_dataset_from_array",
        )
    },
    ("image", "sequence"),
)
