"""Images, texts and sounds in folders, one folder for each class."""

from __future__ import annotations

import math
import os
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.compat.keras.ops.table import OPERATIONS
from lamina.compat.keras.utils.arguments import choice, wrong
from lamina.compat.keras.utils.batches import Batches
from lamina.compat.keras.utils.images import img_to_array, load_img, resized

__all__ = [
    "audio_dataset_from_directory",
    "image_dataset_from_directory",
    "text_dataset_from_directory",
]

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_LABEL_MODES = ("int", "categorical", "binary", None)


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the images in a folder, and of their labels.

    Args:
        directory: the folder.
        labels: ``"inferred"`` (default) from the names of the folders below; a label for each file
            in the order of their paths; or None.
        label_mode: ``"int"`` (default): int32 ``[batch]``; ``"categorical"``: one-hot vectors;
            ``"binary"``: float32 ``[batch, 1]``; None: no labels.
        class_names: the folders to read, in the order of their labels. Default None: all, sorted.
        color_mode: ``"rgb"`` (default), ``"rgba"`` or ``"grayscale"``.
        batch_size: images in a batch. Default 32; None: single images.
        image_size: ``(height, width)``. Default (256, 256).
        shuffle: whether the images are shuffled, anew in each pass. Default True.
        seed: the seed of the order. Default None.
        validation_split: the part of the images that is kept for validation. Default None.
        subset: ``"training"``, ``"validation"`` or ``"both"``, with `validation_split`.
        interpolation: see `keras.ops.image.resize`. Default ``"bilinear"``.
        follow_links: whether symbolic links to folders are followed. Default False.
        crop_to_aspect_ratio: whether images are cropped to the ratio of the size. Default False.
        pad_to_aspect_ratio: whether they are padded to it. Default False.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.
        format: has no effect.
        verbose: whether the number of files is printed. Default True.

    Returns:
        `Batches` of float32 images in [0, 255], with the attributes ``class_names`` and
        ``file_paths``; two of them for ``subset="both"``.

    Raises:
        InputError: an argument is invalid, or there are no images.
        LaminaError: Pillow is not installed.
    """
    name = "image_dataset_from_directory"
    choice(name, "color_mode", color_mode, ("rgb", "rgba", "grayscale"))
    choice(name, "data_format", data_format, (None, "channels_last", "channels_first"))
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)

    def read(path: str) -> np.ndarray:
        image = img_to_array(load_img(path, color_mode))
        if crop_to_aspect_ratio or pad_to_aspect_ratio:
            fitted = OPERATIONS["resize"](
                image,
                size,
                interpolation,
                crop_to_aspect_ratio=crop_to_aspect_ratio,
                pad_to_aspect_ratio=pad_to_aspect_ratio,
            )
            image = np.asarray(fitted)
        else:
            image = resized(image, (size[0], size[1]), interpolation)
        return image.transpose(2, 0, 1) if data_format == "channels_first" else image

    files = _Files(name, directory, _IMAGES, labels, label_mode, class_names, follow_links)
    return files.batches(read, batch_size, shuffle, seed, validation_split, subset, verbose)


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the texts in the files ``.txt`` of a folder, and of their labels.

    Args:
        directory: the folder.
        labels: see :func:`image_dataset_from_directory`.
        label_mode: see :func:`image_dataset_from_directory`.
        class_names: see :func:`image_dataset_from_directory`.
        batch_size: texts in a batch. Default 32; None: single texts.
        max_length: the number of characters that are kept of a text. Default None: all.
        shuffle: whether the texts are shuffled, anew in each pass. Default True.
        seed: the seed of the order. Default None.
        validation_split: the part of the texts that is kept for validation. Default None.
        subset: ``"training"``, ``"validation"`` or ``"both"``, with `validation_split`.
        follow_links: whether symbolic links to folders are followed. Default False.
        format: has no effect.
        verbose: whether the number of files is printed. Default True.

    Returns:
        `Batches` of NumPy arrays of strings; two of them for ``subset="both"``.

    Raises:
        InputError: an argument is invalid, or there are no texts.
    """

    def read(path: str) -> str:
        return Path(path).read_text("utf-8")[:max_length]

    name = "text_dataset_from_directory"
    files = _Files(name, directory, (".txt",), labels, label_mode, class_names, follow_links)
    return files.batches(read, batch_size, shuffle, seed, validation_split, subset, verbose)


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of the sounds in the files ``.wav`` of a folder, and of their labels.

    Args:
        directory: the folder.
        labels: see :func:`image_dataset_from_directory`.
        label_mode: see :func:`image_dataset_from_directory`.
        class_names: see :func:`image_dataset_from_directory`.
        batch_size: sounds in a batch. Default 32; None: single sounds.
        sampling_rate: the samples in a second to which sounds are resampled. Default None: those
            of the file.
        output_sequence_length: the number of samples that are read of a file, which is cut or
            padded by 0. Default None: all, and batches are padded to their longest sound.
        ragged: only False (default): batches are padded.
        shuffle: whether the sounds are shuffled, anew in each pass. Default True.
        seed: the seed of the order. Default None.
        validation_split: the part of the sounds that is kept for validation. Default None.
        subset: ``"training"``, ``"validation"`` or ``"both"``, with `validation_split`.
        follow_links: whether symbolic links to folders are followed. Default False.
        verbose: whether the number of files is printed. Default True.

    Returns:
        `Batches` of float32 sounds ``[batch, samples, channels]`` in [-1, 1]; two of them for
        ``subset="both"``.

    Raises:
        InputError: an argument is invalid, there are no files, or a file is no WAV file of whole
            numbers.
    """
    name = "audio_dataset_from_directory"
    choice(name, "ragged", ragged, (False,))
    for option, value in (
        ("sampling_rate", sampling_rate),
        ("output_sequence_length", output_sequence_length),
    ):
        if value is not None and (not isinstance(value, int) or value < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            what = f"{name} received an invalid {option}."
            raise wrong(what, "a positive integer, or None", repr(value), "Pass one of those.")

    def read(path: str) -> np.ndarray:
        sound, rate = _sound(path)
        if output_sequence_length is not None:
            sound = sound[:output_sequence_length]
            sound = np.pad(sound, ((0, output_sequence_length - len(sound)), (0, 0)))
        if sampling_rate is None or sampling_rate == rate:
            return sound
        import scipy.signal  # noqa: PLC0415 - it takes long  # pyright: ignore[reportMissingTypeStubs]

        signal: Any = scipy.signal
        common = math.gcd(rate, sampling_rate)
        made = signal.resample_poly(sound, sampling_rate // common, rate // common)
        return np.asarray(made, "float32")

    files = _Files(name, directory, (".wav",), labels, label_mode, class_names, follow_links)
    files.join = _padded
    return files.batches(read, batch_size, shuffle, seed, validation_split, subset, verbose)


def _sound(path: str) -> tuple[np.ndarray, int]:
    """The samples ``[samples, channels]`` of a file in [-1, 1], and their number in a second.

    Raises:
        InputError: it is no WAV file of whole numbers.
    """
    try:
        with wave.open(path, "rb") as file:
            size, channels = file.getsampwidth(), file.getnchannels()
            rate, data = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        remedy = "Convert the file to 16-bit PCM."
        raise wrong(f"Cannot read {path!r}.", "a WAV file of PCM", str(error), remedy) from error
    if size == 1:  # the only size without a sign
        samples = (np.frombuffer(data, "uint8").astype("float32") - 128) / 128
    else:
        wide = np.zeros((len(data) // size, 4), "uint8")
        wide[:, 4 - size :] = np.frombuffer(data, "uint8").reshape(-1, size)
        samples = wide.view("<i4")[:, 0].astype("float32") / 2**31
    return samples.reshape(-1, channels), rate


def _padded(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Sounds as a batch, padded by 0."""
    sizes = np.max([sound.shape for sound in sounds], axis=0)
    batch = np.zeros((len(sounds), *sizes), "float32")
    for row, sound in zip(batch, sounds, strict=True):
        row[: sound.shape[0], : sound.shape[1]] = sound
    return batch


class _Files:
    """The files of a folder with their labels."""

    join: Callable[[Sequence[np.ndarray]], np.ndarray] = staticmethod(np.stack)

    def __init__(
        self,
        function: str,
        directory: str | os.PathLike[str],
        extensions: tuple[str, ...],
        labels: str | Sequence[int] | None,
        label_mode: str | None,
        class_names: Sequence[str] | None,
        follow_links: bool,
    ) -> None:
        self.function, self.mode = function, label_mode
        choice(function, "label_mode", label_mode, _LABEL_MODES)
        root = Path(directory)
        if not root.is_dir():
            raise self._wrong("a folder", repr(str(directory)), "Pass the path of a folder.")
        inferred = isinstance(labels, str)
        found = sorted(
            one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")
        )
        names = list(class_names or found) if inferred else [""]
        if not set(names) <= {*found, ""}:
            remedy = "Pass names of folders, or leave class_names out."
            raise self._wrong(f"folders among {found}", f"class_names={names}", remedy)
        self.paths = list[str]()
        own = list[int]()
        for number, folder in enumerate(names):
            files = _below(root / folder, extensions, follow_links)
            self.paths += files
            own += [number] * len(files)
        if not self.paths:
            remedy = f"Put files {', '.join(extensions)} into folders of their classes."
            raise self._wrong("files", f"none in {str(directory)!r}", remedy)
        if labels is None or label_mode is None:
            self.mode, self.class_names = None, names if inferred else None
        elif inferred:
            self.class_names = names
        else:
            own = [int(label) for label in labels]
            self.class_names = [str(label) for label in sorted(set(own))]
            if len(own) != len(self.paths):
                expected = f"{len(self.paths)} labels, one for each file"
                raise self._wrong(expected, f"{len(own)}", "Pass a label for each file.")
        self.labels = np.asarray(own, "int32")
        if self.mode == "binary" and len(self.class_names or ()) != 2:
            remedy = "Pass label_mode='int' or 'categorical'."
            raise self._wrong("two classes for 'binary'", f"{self.class_names}", remedy)

    def _wrong(self, expected: str, received: str, remedy: str) -> Exception:
        what = f"{self.function} cannot read the data."
        return wrong(what, expected, received, remedy)

    def batches(
        self,
        read: Callable[[str], Any],
        batch_size: int | None,
        shuffle: bool,
        seed: int | None,
        split: float | None,
        subset: str | None,
        verbose: bool,
    ) -> Any:
        """`Batches` of the files, or of the parts of a split."""
        if (split is None) != (subset is None) or (split is not None and not 0 < split < 1):
            expected = "validation_split between 0 and 1 together with subset, or neither"
            received = f"validation_split={split}, subset={subset!r}"
            raise self._wrong(expected, received, "Pass both.")
        choice(self.function, "subset", subset, ("training", "validation", "both", None))
        if split is not None and shuffle and seed is None and subset != "both":
            expected = "a seed, so that training and validation share no file"
            raise self._wrong(expected, "seed=None", "Pass a seed, or shuffle=False.")
        seed = int(np.random.randint(1_000_000)) if seed is None else seed
        order = np.arange(len(self.paths))
        if shuffle:
            np.random.RandomState(seed).shuffle(order)
        if verbose:
            classes = "" if self.mode is None else f" of {len(self.class_names or ())} classes"
            print(f"Found {len(order)} files{classes}.")
        if split is None:
            return self._part(read, order, batch_size, shuffle, seed)
        kept = len(order) - int(split * len(order))
        training = self._part(read, order[:kept], batch_size, shuffle, seed)
        validation = self._part(read, order[kept:], batch_size, shuffle and subset != "both", seed)
        if subset == "both":
            return [training, validation]
        return training if subset == "training" else validation

    def _part(
        self,
        read: Callable[[str], Any],
        order: np.ndarray,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
    ) -> Batches:
        if not len(order):
            raise self._wrong("files in each part", "none", "Change validation_split.")

        def batch(rows: np.ndarray) -> Any:
            values = self.join([np.asarray(read(self.paths[int(row)])) for row in rows])
            return values if self.mode is None else (values, self._encoded(self.labels[rows]))

        made = Batches(batch, order.copy(), batch_size, shuffle, seed)
        made.class_names = self.class_names
        made.file_paths = [self.paths[row] for row in order]
        return made

    def _encoded(self, labels: np.ndarray) -> np.ndarray:
        if self.mode == "categorical":
            return np.eye(len(self.class_names or ()), dtype="float32")[labels]
        return labels.astype("float32")[:, None] if self.mode == "binary" else labels


def _below(folder: Path, extensions: tuple[str, ...], follow_links: bool) -> list[str]:
    """The paths of the files in a folder and below, in order."""
    walked = sorted(os.walk(folder, followlinks=follow_links))
    return [
        os.path.join(where, name)
        for where, _, names in walked
        for name in sorted(names)
        if name.lower().endswith(extensions)
    ]
