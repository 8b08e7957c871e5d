"""Files from addresses, kept in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from lamina.compat.keras.utils.arguments import choice, wrong

__all__ = ["get_file"]


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: str | None = None,
    force_download: bool = False,
) -> str:
    """Copy a file from an address to a folder, unless it is there.

    Args:
        fname: the name of the file. Default None: the last part of the address.
        origin: the address, such as ``"https://..."`` or ``"file:/..."``.
        untar: whether the file is a tar archive to be extracted. Default False.
        md5_hash: the MD5 of the file. Default None.
        file_hash: the SHA-256, or MD5, of the file. Default None: it is not checked.
        cache_subdir: the folder inside of `cache_dir`. Default ``"datasets"``.
        hash_algorithm: ``"sha256"``, ``"md5"`` or ``"auto"`` (default), by the length of the hash.
        extract: whether the file is an archive to be extracted. Default False.
        archive_format: has no effect: the content of the file says whether it is tar or zip.
        cache_dir: Default None: ``$KERAS_HOME``, or ``~/.keras``.
        force_download: whether the file is fetched although it is there. Default False.

    Returns:
        The path of the file; of the folder with its content if it is extracted.

    Raises:
        InputError: there is no address or no name, or the hash is another. A file with another
            hash is not kept.
        OSError: the file cannot be fetched.
    """
    name = fname or os.path.basename(urlsplit(origin or "").path)
    if origin is None or not name or name != os.path.basename(name):
        raise wrong(
            "get_file received no address or no name of a file.",
            "origin, an address, and fname, a name without folders",
            f"fname={fname!r}, origin={origin!r}",
            "Pass origin, and fname if the address ends with no name.",
        )
    choice("get_file", "hash_algorithm", hash_algorithm, ("auto", "sha256", "md5"))
    algorithm = "md5" if md5_hash and not file_hash else hash_algorithm
    wanted = file_hash or md5_hash
    if algorithm == "auto":
        algorithm = "sha256" if wanted is None or len(wanted) == 64 else "md5"
    home = cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    folder = Path(home).expanduser() / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    archive = untar or extract
    path = folder / (f"{name}_archive" if archive and not ("." in name and fname) else name)
    kept = path.exists() and not force_download
    if not kept or (wanted is not None and _hash(path, algorithm) != wanted):
        _fetch(origin, path, algorithm, wanted)
        kept = False
    if not archive:
        return str(path)
    target = folder / (f"{name.partition('.')[0]}_extracted" if "." in name and fname else name)
    if not kept or not target.exists():
        _extract(path, target)
    return str(target)


def _fetch(origin: str, path: Path, algorithm: str, wanted: str | None) -> None:
    """Fetch a file beside its place, and put it there once it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        with urllib.request.urlopen(origin) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        found = _hash(part, algorithm)
        if wanted is not None and found != wanted:
            raise wrong(
                f"The file from {origin} is not the expected one.",
                f"{algorithm} {wanted}",
                found,
                "Check the address and the hash.",
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _extract(path: Path, target: Path) -> None:
    """Extract an archive. Names that lead out of the folder are errors."""
    target.mkdir(parents=True, exist_ok=True)
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            archive.extractall(target, filter="data")
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    else:
        raise wrong(
            "The file is no archive.", "a tar or zip archive", str(path), "Pass extract=False."
        )
