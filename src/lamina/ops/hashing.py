"""Hashes of text that are the same in every process and on every machine: FarmHash and SipHash."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

__all__ = [
    "crossed",
    "farmhash64",
    "farmhashes",
    "hash_bins",
    "integer_bins",
    "on_host",
    "siphash64",
]

Words = np.ndarray[Any, np.dtype[np.uint64]]
"""One number of 64 bits for each text; sums and products are modulo 2^64."""

_MASK = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_CROSS = 0xC6A4A7935BD1E995
_CROSS_SEED = 0xDECAFCAFFE


def farmhash64(text: bytes) -> int:
    """Compute the FarmHash fingerprint of bytes, a number in [0, 2^64).

    Args:
        text: the bytes.

    Returns:
        The fingerprint.

    Source: Pike, FarmHash (``Fingerprint64``), 2014, https://github.com/google/farmhash.

    >>> farmhash64(b"1footrue") - 2**64
    -1541654101129638711
    """
    return int(farmhashes([text])[0])


def farmhashes(texts: Sequence[bytes]) -> Words:
    """Compute the FarmHash fingerprints of many byte strings at once; see :func:`farmhash64`.

    Args:
        texts: the byte strings.

    Returns:
        uint64 array ``[texts]``.

    >>> farmhashes([b"a", b"b"]).shape
    (2,)
    """
    return _by_size(texts, _farmhash)


def siphash64(text: bytes, key: tuple[int, int]) -> int:
    """Compute SipHash-2-4 of bytes, a number in [0, 2^64).

    Args:
        text: the bytes.
        key: the two halves of the key, each an integer, used modulo 2^64.

    Returns:
        The hash.

    Source: Aumasson, Bernstein, SipHash: a fast short-input PRF, INDOCRYPT 2012.

    >>> hex(siphash64(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    return int(_by_size([text], functools.partial(_siphash, key=key))[0])


def crossed(hashes: Iterable[Words]) -> Words:
    """Combine the hashes of several features into one, numbers in [0, 2^64).

    Args:
        hashes: the hashes of each feature ``[rows]``, uint64, in order; an integer is its own hash.

    Returns:
        The hashes of all, ``[rows]``.

    Source: TensorFlow, ``FingerprintCat64`` and ``SparseCross``.

    >>> one, two = np.array([1], np.uint64), np.array([2], np.uint64)
    >>> bool(crossed([one, two])[0] == crossed([two, one])[0])
    False
    """
    found: Any = np.array([_CROSS_SEED], np.uint64)
    for one in hashes:
        found = (found ^ _CROSS) ^ (_shift_mix(one * _CROSS) * _CROSS)
        found = _shift_mix(_shift_mix(found * _CROSS) * _CROSS)
    return found


def hash_bins(
    values: np.ndarray[Any, Any], bins: int, salt: tuple[int, int] | None = None
) -> np.ndarray[Any, Any]:
    """Hash integers, by their decimal text, or byte strings to bins.

    Args:
        values: array of integers, or of objects that are bytes.
        bins: positive integer, the number of bins.
        salt: the key of SipHash; None (default) for FarmHash.

    Returns:
        int64 array of the same shape, numbers in [0, bins).

    >>> hash_bins(np.arange(5), 3).tolist()
    [1, 0, 1, 0, 2]
    """
    hashed: Any = _farmhash if salt is None else functools.partial(_siphash, key=salt)
    flat: list[Any] = values.reshape(-1).tolist()
    texts: list[bytes] = flat if values.dtype == object else [b"%d" % one for one in flat]
    return (_by_size(texts, hashed) % bins).astype(np.int64).reshape(values.shape)


def integer_bins(values: jax.Array, bins: int, salt: tuple[int, int] | None = None) -> jax.Array:
    """Hash integers to bins as :func:`hash_bins`, also in programs, which call back to the host.

    Args:
        values: array of integers.
        bins: positive integer, the number of bins.
        salt: the key of SipHash; None (default) for FarmHash.

    Returns:
        Array of the same shape, integers in [0, bins).

    >>> integer_bins(jnp.arange(5), 3).tolist()
    [1, 0, 1, 0, 2]
    """
    return on_host(functools.partial(hash_bins, bins=bins, salt=salt), values)


def on_host(function: Callable[..., np.ndarray[Any, Any]], *arrays: jax.Array) -> jax.Array:
    """Apply a function of NumPy arrays of one shape to JAX arrays, also within programs.

    Args:
        function: returns an array of integers of the shape of its arguments.
        *arrays: arrays of integers, all of one shape.

    Returns:
        Array of integers.

    >>> on_host(lambda x: x + 1, jnp.arange(3)).tolist()
    [1, 2, 3]
    """
    dtype = jax.dtypes.canonicalize_dtype(np.int64)

    def run(*given: Any) -> np.ndarray[Any, Any]:
        return np.asarray(function(*map(np.asarray, given)), dtype)

    if not any(isinstance(array, Tracer) for array in arrays):
        return jnp.asarray(run(*arrays))
    spec = jax.ShapeDtypeStruct(arrays[0].shape, dtype)
    fixed = [lax.stop_gradient(array) for array in arrays]
    return jax.pure_callback(run, spec, *fixed, vmap_method="broadcast_all")


def _by_size(texts: Sequence[bytes], hashed: Callable[[np.ndarray[Any, Any], int], Words]) -> Words:
    """Hash texts of the same size together: ``hashed(bytes [texts, size], size)``."""
    found = np.empty(len(texts), np.uint64)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    order = np.argsort(sizes, kind="stable")
    groups: list[Any] = np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1)
    for rows in groups:
        if rows.size:
            size = int(sizes[rows[0]])
            own: list[bytes] = [texts[row] for row in rows.tolist()]
            joined = b"".join(own)
            found[rows] = hashed(np.frombuffer(joined, np.uint8).reshape(len(rows), size), size)
    return found


def _farmhash(text: np.ndarray[Any, Any], size: int) -> Words:
    if size <= 16:
        return _up_to_16(text, size)
    if size <= 32:
        return _up_to_32(text, size)
    return _up_to_64(text, size) if size <= 64 else _longer(text, size)


def _siphash(text: np.ndarray[Any, Any], size: int, key: tuple[int, int]) -> Words:
    first, second = key[0] & _MASK, key[1] & _MASK
    state: list[Any] = [
        np.full(len(text), start, np.uint64)
        for start in (
            first ^ 0x736F6D6570736575,
            second ^ 0x646F72616E646F6D,
            first ^ 0x6C7967656E657261,
            second ^ 0x7465646279746573,
        )
    ]
    end = size - size % 8
    last = np.full(len(text), (size & 0xFF) << 56, np.uint64)
    for place in range(end, size):
        last |= _byte(text, place) << 8 * (place - end)
    for word in (*(_word(text, at) for at in range(0, end, 8)), last):
        state[3] = state[3] ^ word
        _sip_round(state)
        _sip_round(state)
        state[0] = state[0] ^ word
    state[2] = state[2] ^ 0xFF
    for _ in range(4):
        _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _word(text: np.ndarray[Any, Any], at: int) -> Words:
    return np.ascontiguousarray(text[:, at : at + 8]).view("<u8")[:, 0].astype(np.uint64)


def _half(text: np.ndarray[Any, Any], at: int) -> Words:
    return np.ascontiguousarray(text[:, at : at + 4]).view("<u4")[:, 0].astype(np.uint64)


def _byte(text: np.ndarray[Any, Any], at: int) -> Words:
    return text[:, at].astype(np.uint64)


def _rotated(value: Any, by: int) -> Any:
    """Rotate 64 bits to the right."""
    return value >> by | value << (64 - by)


def _shift_mix(value: Any) -> Any:
    return value ^ value >> 47


def _mixed(u: Any, v: Any, factor: Any) -> Any:
    a = _shift_mix((u ^ v) * factor)
    b = _shift_mix((v ^ a) * factor)
    return b * factor


def _up_to_16(text: np.ndarray[Any, Any], size: int) -> Words:
    factor = _K2 + 2 * size & _MASK
    if size >= 8:
        a, b = _word(text, 0) + _K2, _word(text, size - 8)
        c = _rotated(b, 37) * factor + a
        d = (_rotated(a, 25) + b) * factor
        return _mixed(c, d, factor)
    if size >= 4:
        return _mixed(size + (_half(text, 0) << 3), _half(text, size - 4), factor)
    if size == 0:
        return np.full(len(text), _K2, np.uint64)
    y = _byte(text, 0) + (_byte(text, size >> 1) << 8)
    z = size + (_byte(text, size - 1) << 2)
    return _shift_mix(y * _K2 ^ z * _K0) * _K2


def _up_to_32(text: np.ndarray[Any, Any], size: int) -> Words:
    factor = _K2 + 2 * size & _MASK
    a, b = _word(text, 0) * _K1, _word(text, 8)
    c, d = _word(text, size - 8) * factor, _word(text, size - 16) * _K2
    u = _rotated(a + b, 43) + _rotated(c, 30) + d
    v = a + _rotated(b + _K2, 18) + c
    return _mixed(u, v, factor)


def _up_to_64(text: np.ndarray[Any, Any], size: int) -> Words:
    factor = _K2 + 2 * size & _MASK
    a, b = _word(text, 0) * _K2, _word(text, 8)
    c, d = _word(text, size - 8) * factor, _word(text, size - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _mixed(y, a + _rotated(b + _K2, 18) + c, factor)
    e, f = _word(text, 16) * factor, _word(text, 24)
    g = (y + _word(text, size - 32)) * factor
    h = (z + _word(text, size - 24)) * factor
    u = _rotated(e + f, 43) + _rotated(g, 30) + h
    v = e + _rotated(f + a, 18) + g
    return _mixed(u, v, factor)


def _of_32(text: np.ndarray[Any, Any], at: int, a: Any, b: Any) -> tuple[Any, Any]:
    """Mix 32 bytes with two seeds."""
    w, x, y, z = (_word(text, at + offset) for offset in (0, 8, 16, 24))
    a = a + w
    b = _rotated(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotated(a, 44)
    return a + z, b + c


def _longer(text: np.ndarray[Any, Any], size: int) -> Words:
    seed, zeros = 81, np.zeros(len(text), np.uint64)
    x = (seed * _K2 & _MASK) + _word(text, 0)
    y: Any = zeros + (seed * _K1 + 113 & _MASK)
    z = _shift_mix(y * _K2 + 113) * _K2
    v, w = (zeros, zeros), (zeros, zeros)
    for at in range(0, (size - 1) // 64 * 64, 64):
        x = _rotated(x + y + v[0] + _word(text, at + 8), 37) * _K1
        y = _rotated(y + v[1] + _word(text, at + 48), 42) * _K1
        x = x ^ w[1]
        y = y + v[0] + _word(text, at + 40)
        z = _rotated(z + w[0], 33) * _K1
        v = _of_32(text, at, v[1] * _K1, x + w[0])
        w = _of_32(text, at + 32, z + w[1], y + _word(text, at + 16))
        x, z = z, x
    factor, at = _K1 + 2 * (z & 0xFF), size - 64
    w = w[0] + (size - 1 & 63), w[1]
    v = v[0] + w[0], v[1]
    w = w[0] + v[0], w[1]
    x = _rotated(x + y + v[0] + _word(text, at + 8), 37) * factor
    y = _rotated(y + v[1] + _word(text, at + 48), 42) * factor
    x = x ^ w[1] * 9
    y = y + v[0] * 9 + _word(text, at + 40)
    z = _rotated(z + w[0], 33) * factor
    v = _of_32(text, at, v[1] * factor, x + w[0])
    w = _of_32(text, at + 32, z + w[1], y + _word(text, at + 16))
    x, z = z, x
    u = _mixed(v[0], w[0], factor) + _shift_mix(y) * _K0 + z
    return _mixed(u, _mixed(v[1], w[1], factor) + x, factor)


def _sip_round(state: list[Any]) -> None:
    a, b, c, d = state
    a, c = a + b, c + d
    b, d = _rotated(b, 51) ^ a, _rotated(d, 48) ^ c
    a = _rotated(a, 32)
    c, a = c + b, a + d
    b, d = _rotated(b, 47) ^ c, _rotated(d, 43) ^ a
    state[:] = a, b, _rotated(c, 32), d
