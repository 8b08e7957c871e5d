"""A directory with a translator: the model, its vocabularies and its settings.

``model.safetensors`` is an ordinary model file. ``translator.json`` contains the vocabularies, the
maximum lengths and the checksum of the model file. Both are replaced atomically, the model first,
so an interrupted save is detected by the checksum.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import lamina
from lamina.errors import FileFormatError, explain
from lamina.extras import extras
from lamina.json_text import MOST_TEXT, read_json
from lamina.seq2seq import Seq2Seq
from lamina.translate.translator import Translator
from lamina.translate.vocabulary import Tokens, Vocabulary

__all__ = ["load", "replace", "save"]

_FORMAT = "lamina.translator/1"
_MODEL, _SETTINGS = "model.safetensors", "translator.json"
_OPTIONS: dict[str, type] = {
    "divides": bool,
    "beam": int,
    "length_penalty": float,
    "swapped": bool,
}
_MOST = {"source_length": 65_536, "target_length": 65_536, "beam": 1_024}


def save(translator: Translator, directory: str | os.PathLike[str]) -> None:
    """Save a translator to a directory, which is created if necessary. Other files are kept.

    Raises:
        OSError: a file cannot be written.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    translator.model.save(folder / _MODEL, include_optimizer=False)
    settings = {
        "format": _FORMAT,
        "model_sha256": _digest(folder / _MODEL),
        "source_length": translator.source_length,
        "target_length": translator.target_length,
        **{name: getattr(translator, name) for name in _OPTIONS},
        "source": json.loads(translator.source.to_json()),
        "target": json.loads(translator.target.to_json()),
    }
    replace(folder / _SETTINGS, json.dumps(settings, ensure_ascii=False, indent=1) + "\n")


def load(directory: str | os.PathLike[str]) -> Translator:
    """Load a translator saved by :func:`save`.

    Raises:
        FileNotFoundError: the directory or a file in it does not exist.
        FileFormatError: the format version is not supported, or the files do not match.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise FileNotFoundError(
            explain(
                f"There is no translator in {os.fspath(folder)!r}.",
                expected="a directory written by `lamina translate train` or `lamina demo`",
                received="a file" if folder.exists() else "no such directory",
                remedy="Train a translator: lamina translate train PAIRS.tsv --out DIR.",
            )
        )
    for name in (_SETTINGS, _MODEL):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                explain(
                    f"{os.fspath(folder)!r} contains no translator: {name} is missing.",
                    expected=f"{_SETTINGS} and {_MODEL}",
                    received=", ".join(sorted(os.listdir(folder))[:8]) or "an empty directory",
                    remedy="Use the directory given to --out in training, or train again.",
                )
            )
    settings = _settings(folder / _SETTINGS)
    digest = _digest(folder / _MODEL)
    if settings["model_sha256"] != digest:
        raise _unusable(
            folder / _MODEL,
            "does not match its translator.json.",
            f"SHA-256 {settings['model_sha256'][:16]}...",
            f"{digest[:16]}...; the file was replaced or damaged, or saving was interrupted",
        )
    return _assembled(folder, settings)


def _assembled(folder: Path, settings: dict[str, Any]) -> Translator:
    model: object = lamina.load(folder / _MODEL)
    source, target = _tokens(settings["source"]), _tokens(settings["target"])
    if not isinstance(model, Seq2Seq):
        raise _unusable(
            folder / _MODEL, "contains another kind of model.", "a Seq2Seq", type(model).__name__
        )
    options = {name: settings[name] for name in _OPTIONS if name in settings}
    lengths = settings["source_length"], settings["target_length"]
    sizes = len(source), len(target)
    encoder: Any = model.encoder
    expected_sizes = encoder.embed.input_dim, model.decoder.embed.input_dim
    special = (source.pad, source.start, source.end)
    if sizes != expected_sizes or special != (model.pad, model.start, model.end):
        expected = f"vocabularies of {expected_sizes[0]:,} and {expected_sizes[1]:,} ids"
        received = f"{sizes[0]:,} and {sizes[1]:,} ids, or other special ids"
        raise _unusable(folder / _SETTINGS, "does not match its model.", expected, received)
    return Translator(model, source, target, *lengths, **options)


def _tokens(held: dict[str, Any]) -> Tokens:
    text = json.dumps(held)
    if not str(held.get("format")).startswith("lamina.subwords/"):
        return Vocabulary.from_json(text)
    with extras("This translator"):
        from lamina.translate.subwords import Subwords  # noqa: PLC0415 - needs an optional extra
    return Subwords.from_json(text)


def _settings(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise ValueError("too large")
        settings: Any = read_json(path.read_text("utf-8"), os.fspath(path))
        form = settings["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise _unusable(path, "is damaged.", "JSON with a format", "other contents") from error
    if form != _FORMAT:
        raise _unusable(path, "has an unsupported format.", f"format {_FORMAT}", f"format {form}")
    kinds = {"model_sha256": str, "source_length": int, "target_length": int}
    kinds |= {"source": dict, "target": dict}
    kinds |= {name: kind for name, kind in _OPTIONS.items() if name in settings}
    wrong = [name for name, kind in kinds.items() if type(settings.get(name)) is not kind]
    if wrong:
        raise _unusable(path, "is incomplete.", "a value for each setting", f"no valid {wrong[0]}")
    out_of_range = [n for n, most in _MOST.items() if not 1 <= settings.get(n, 1) <= most]
    if out_of_range or not 0 <= settings.get("length_penalty", 0.0) < math.inf:
        names = ", ".join(out_of_range) or "length_penalty"
        raise _unusable(path, "has a setting out of range.", f"at most {_MOST}", names)
    return settings


def _unusable(path: Path, symptom: str, expected: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{os.fspath(path)!r} {symptom}",
            expected=expected,
            received=received,
            remedy="Train again with this version.",
        )
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace(path: Path, text: str) -> None:
    """Write a file atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
