"""`keras.preprocessing.image`: images from files."""

from __future__ import annotations

from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded(
    "keras.preprocessing.image",
    {
        "lamina.compat.keras.utils.images": (
            "array_to_img",
            "img_to_array",
            "load_img",
            "save_img",
            "smart_resize",
        )
    },
)
