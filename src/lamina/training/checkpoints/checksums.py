"""Sizes and SHA-256 of files, and flushing files to the disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from lamina.training.checkpoints import schema

__all__ = ["checksum", "digest", "flush", "matches"]


def checksum(path: Path) -> dict[str, Any]:
    """Return the size and the SHA-256 of a file, as JSON can hold them."""
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": found}


def matches(path: Path, expected: Any) -> bool:
    """Return whether a file has the size and SHA-256; the size is compared first."""
    same_size = schema.is_dict(expected) and 0 < os.path.getsize(path) == expected.get("bytes")
    return same_size and checksum(path) == expected


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    if path.is_dir() and os.name != "posix":
        return  # other systems cannot flush folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
