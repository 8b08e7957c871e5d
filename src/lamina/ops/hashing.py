"""Hashes of text that are the same in every process and on every machine: FarmHash and SipHash."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

__all__ = ["crossed", "farmhash64", "hash_bins", "integer_bins", "on_host", "siphash64"]

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
    size = len(text)
    if size <= 16:
        return _up_to_16(text, size)
    if size <= 32:
        return _up_to_32(text, size)
    return _up_to_64(text, size) if size <= 64 else _longer(text, size)


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
    first, second = key[0] & _MASK, key[1] & _MASK
    state = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    end = len(text) - len(text) % 8
    words = [_word(text, at) for at in range(0, end, 8)]
    last = int.from_bytes(text[end:], "little") | (len(text) & 0xFF) << 56
    for word in [*words, last]:
        state[3] ^= word
        _sip_round(state)
        _sip_round(state)
        state[0] ^= word
    state[2] ^= 0xFF
    for _ in range(4):
        _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def crossed(hashes: Iterable[int]) -> int:
    """Combine the hashes of several features into one, a number in [0, 2^64).

    Args:
        hashes: the hash of each feature, in order; an integer is its own hash.

    Returns:
        The hash of all.

    Source: TensorFlow, ``FingerprintCat64`` and ``SparseCross``.

    >>> crossed([1, 2]) == crossed([2, 1])
    False
    """
    found = _CROSS_SEED
    for one in hashes:
        product = one * _CROSS & _MASK
        found = (found ^ _CROSS) ^ (_shift_mix(product) * _CROSS & _MASK)
        found = _shift_mix(found * _CROSS & _MASK) * _CROSS & _MASK
        found = _shift_mix(found)
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
    hashed: Callable[[bytes], int] = (
        farmhash64 if salt is None else functools.partial(siphash64, key=salt)
    )
    flat: list[Any] = values.reshape(-1).tolist()
    known = {one: hashed(_as_bytes(one)) % bins for one in set(flat)}
    return np.array([known[one] for one in flat], np.int64).reshape(values.shape)


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


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(int(value)).encode()


def _word(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 8], "little")


def _half(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 4], "little")


def _rotated(value: int, by: int) -> int:
    """Rotate 64 bits to the right; only the low 64 bits of the value count."""
    value &= _MASK
    return (value >> by | value << (64 - by)) & _MASK


def _shift_mix(value: int) -> int:
    return value ^ value >> 47


def _mixed(u: int, v: int, factor: int) -> int:
    a = _shift_mix((u ^ v) * factor & _MASK)
    b = _shift_mix((v ^ a) * factor & _MASK)
    return b * factor & _MASK


def _up_to_16(text: bytes, size: int) -> int:
    factor = _K2 + 2 * size & _MASK
    if size >= 8:
        a, b = _word(text, 0) + _K2 & _MASK, _word(text, size - 8)
        c = _rotated(b, 37) * factor + a & _MASK
        d = (_rotated(a, 25) + b) * factor & _MASK
        return _mixed(c, d, factor)
    if size >= 4:
        return _mixed(size + (_half(text, 0) << 3), _half(text, size - 4), factor)
    if size == 0:
        return _K2
    y = text[0] + (text[size >> 1] << 8)
    z = size + (text[-1] << 2)
    return _shift_mix(y * _K2 & _MASK ^ z * _K0 & _MASK) * _K2 & _MASK


def _up_to_32(text: bytes, size: int) -> int:
    factor = _K2 + 2 * size & _MASK
    a, b = _word(text, 0) * _K1 & _MASK, _word(text, 8)
    c, d = _word(text, size - 8) * factor & _MASK, _word(text, size - 16) * _K2 & _MASK
    u = _rotated(a + b, 43) + _rotated(c, 30) + d & _MASK
    v = a + _rotated(b + _K2, 18) + c & _MASK
    return _mixed(u, v, factor)


def _up_to_64(text: bytes, size: int) -> int:
    factor = _K2 + 2 * size & _MASK
    a, b = _word(text, 0) * _K2 & _MASK, _word(text, 8)
    c, d = _word(text, size - 8) * factor & _MASK, _word(text, size - 16) * _K2 & _MASK
    y = _rotated(a + b, 43) + _rotated(c, 30) + d & _MASK
    z = _mixed(y, a + _rotated(b + _K2, 18) + c & _MASK, factor)
    e, f = _word(text, 16) * factor & _MASK, _word(text, 24)
    g = (y + _word(text, size - 32)) * factor & _MASK
    h = (z + _word(text, size - 24)) * factor & _MASK
    u = _rotated(e + f, 43) + _rotated(g, 30) + h & _MASK
    v = e + _rotated(f + a, 18) + g & _MASK
    return _mixed(u, v, factor)


def _of_32(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Mix 32 bytes with two seeds."""
    w, x, y, z = (_word(text, at + offset) for offset in (0, 8, 16, 24))
    a += w
    b = _rotated(b + a + z, 21)
    c = a
    a += x + y
    b += _rotated(a, 44)
    return a + z & _MASK, b + c & _MASK


def _longer(text: bytes, size: int) -> int:
    seed = 81
    x, y = seed * _K2 + _word(text, 0) & _MASK, seed * _K1 + 113 & _MASK
    z = _shift_mix(y * _K2 + 113 & _MASK) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    for at in range(0, (size - 1) // 64 * 64, 64):
        x = _rotated(x + y + v[0] + _word(text, at + 8), 37) * _K1 & _MASK
        y = _rotated(y + v[1] + _word(text, at + 48), 42) * _K1 & _MASK
        x ^= w[1]
        y = y + v[0] + _word(text, at + 40) & _MASK
        z = _rotated(z + w[0], 33) * _K1 & _MASK
        v = _of_32(text, at, v[1] * _K1, x + w[0])
        w = _of_32(text, at + 32, z + w[1], y + _word(text, at + 16))
        x, z = z, x
    factor, at = _K1 + 2 * (z & 0xFF) & _MASK, size - 64
    w = w[0] + (size - 1 & 63), w[1]
    v = v[0] + w[0], v[1]
    w = w[0] + v[0], w[1]
    x = _rotated(x + y + v[0] + _word(text, at + 8), 37) * factor & _MASK
    y = _rotated(y + v[1] + _word(text, at + 48), 42) * factor & _MASK
    x ^= w[1] * 9 & _MASK
    y = y + v[0] * 9 + _word(text, at + 40) & _MASK
    z = _rotated(z + w[0], 33) * factor & _MASK
    v = _of_32(text, at, v[1] * factor, x + w[0])
    w = _of_32(text, at + 32, z + w[1], y + _word(text, at + 16))
    x, z = z, x
    u = _mixed(v[0], w[0], factor) + _shift_mix(y) * _K0 + z & _MASK
    return _mixed(u, _mixed(v[1], w[1], factor) + x & _MASK, factor)


def _sip_round(state: list[int]) -> None:
    a, b, c, d = state
    a, c = a + b & _MASK, c + d & _MASK
    b, d = _rotated(b, 51) ^ a, _rotated(d, 48) ^ c
    a = _rotated(a, 32)
    c, a = c + b & _MASK, a + d & _MASK
    b, d = _rotated(b, 47) ^ c, _rotated(d, 43) ^ a
    state[:] = a, b, _rotated(c, 32), d
