"""Operations of `keras.ops.math` and `keras.ops.linalg`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.models.array_functions.values import Function, array, floats, refused, unary

__all__ = ["LINALG", "MATH"]

_special: Any = jax.scipy.special
_signal: Any = jax.scipy.signal
_scipy: Any = jax.scipy.linalg
_fft: Any = jnp.fft
_linalg: Any = jnp.linalg
_ops: Any = jax.ops


def _segments(function: Function) -> Function:
    def reduce(
        data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
    ) -> Any:
        if num_segments is None:
            raise refused("a segment reduction", "num_segments", "None")
        ids = array(segment_ids)
        return function(array(data), ids, num_segments, indices_are_sorted=sorted)

    return reduce


def _top_k(x: Any, k: int, sorted: bool = True) -> Any:
    return tuple(lax.top_k(array(x), k))


def _in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    predictions = array(predictions)
    own = jnp.take_along_axis(predictions, array(targets)[..., None], axis=-1)
    own = jnp.where(jnp.isnan(own), -jnp.inf, own)
    return jnp.sum(predictions > own, axis=-1) < k


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _special.logsumexp(array(x), axis=axis, keepdims=keepdims)


def _cdist(x: Any, y: Any) -> Any:
    difference = array(x)[..., :, None, :] - array(y)[..., None, :, :]
    return jnp.sqrt(jnp.sum(jnp.square(difference), axis=-1))


def _extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    x = array(x)
    count = (x.shape[-1] - sequence_length) // sequence_stride + 1
    if count < 1:
        raise refused("ExtractSequences", f"at least {sequence_length} points", f"{x.shape[-1]}")
    starts = sequence_stride * jnp.arange(count)
    return x[..., starts[:, None] + jnp.arange(sequence_length)]


def _complex(x: Any) -> Any:
    real, imaginary = x
    return lax.complex(array(real), array(imaginary))


def _parts(x: Any) -> Any:
    return jnp.real(x), jnp.imag(x)


def _transform(function: Function) -> Function:
    def transform(x: Any) -> Any:
        return _parts(function(_complex(x)))

    return transform


def _rfft(x: Any, fft_length: int | None = None) -> Any:
    return _parts(_fft.rfft(array(x), n=fft_length))


def _irfft(x: Any, fft_length: int | None = None) -> Any:
    return _fft.irfft(_complex(x), n=fft_length)


def _window(window: Any, length: int, fft_length: int, dtype: Any) -> Any:
    """The window, padded on both sides to the length of the transform."""
    before = (fft_length - length) // 2
    if window is None:
        return jnp.ones(fft_length, dtype)
    if isinstance(window, str):
        constant = {"hann": 0.5, "hamming": 0.54}
        if window not in constant:
            raise refused("STFT", "hann, hamming", repr(window))
        turns = jnp.arange(length, dtype=dtype) / length
        first = constant[window]
        window = first - (1 - first) * jnp.cos(2 * jnp.pi * turns)
    return jnp.pad(jnp.asarray(window, dtype), (before, fft_length - length - before))


def _stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    x = array(x)
    if fft_length < sequence_length:
        raise refused("STFT", f"fft_length of at least {sequence_length}", str(fft_length))
    if center:
        edge = fft_length // 2
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(edge, edge)], mode="reflect")
    frames = _extract_sequences(x, fft_length, sequence_stride)
    return _parts(_fft.rfft(frames * _window(window, sequence_length, fft_length, x.dtype)))


def _istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    spectrum = _complex(x)
    padded = _window(window, sequence_length, fft_length, jnp.real(spectrum).dtype)
    found = _signal.istft(
        spectrum,
        window=padded,
        nperseg=fft_length,
        noverlap=fft_length - sequence_stride,
        nfft=fft_length,
        boundary=False,
        time_axis=-2,
        freq_axis=-1,
    )[-1]
    found = found / (sequence_stride if window is None else jnp.sum(padded))
    whole = fft_length + sequence_stride * (spectrum.shape[-2] - 1)
    start = fft_length // 2 if center else 0
    end = -(fft_length // 2) if center else whole
    return found[..., start : end if length is None else start + length]


def _view_as_complex(x: Any) -> Any:
    x = array(x)
    return x[..., 0] + 1j * x[..., 1]


def _cholesky_inverse(x: Any, upper: bool = False) -> Any:
    x = array(x)
    identity = jnp.eye(x.shape[-1], dtype=x.dtype)
    inner = _scipy.solve_triangular(x, identity, lower=not upper)
    return inner @ inner.T if upper else inner.T @ inner


def _lu_factor(x: Any) -> Any:
    x, function = array(x), _scipy.lu_factor
    for _ in range(x.ndim - 2):
        function = jax.vmap(function)
    return tuple(function(x))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return _linalg.norm(floats(x), ord=ord, axis=axis, keepdims=keepdims)


def _qr(x: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete"):
        raise refused("Qr", "reduced, complete", repr(mode))
    return tuple(_linalg.qr(array(x), mode=mode))


def _svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    found = _linalg.svd(array(x), full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


def _cholesky(x: Any, upper: bool = False) -> Any:
    return _linalg.cholesky(array(x), upper=upper)


def _solve(a: Any, b: Any) -> Any:
    return _linalg.solve(array(a), array(b))


def _solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    return _scipy.solve_triangular(array(a), array(b), lower=lower)


def _lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    return _linalg.lstsq(array(a), array(b), rcond=rcond)[0]


def _matrix_rank(x: Any, tol: float | None = None) -> Any:
    return _linalg.matrix_rank(array(x), rtol=None if tol is None else tol).astype(jnp.int32)


def _pinv(x: Any, rcond: float | None = None) -> Any:
    return _linalg.pinv(array(x), rtol=rcond)


MATH: dict[str, Function] = {
    "CDist": _cdist,
    "Erf": unary(_special.erf),
    "Erfc": unary(_special.erfc),
    "Erfinv": unary(_special.erfinv),
    "ExtractSequences": _extract_sequences,
    "FFT": _transform(_fft.fft),
    "FFT2": _transform(_fft.fft2),
    "IFFT2": _transform(_fft.ifft2),
    "IRFFT": _irfft,
    "ISTFT": _istft,
    "InTopK": _in_top_k,
    "Logdet": unary(lambda x: _linalg.slogdet(x)[1]),
    "Logsumexp": _logsumexp,
    "RFFT": _rfft,
    "Rsqrt": unary(lax.rsqrt),
    "STFT": _stft,
    "SegmentMax": _segments(_ops.segment_max),
    "SegmentMin": _segments(_ops.segment_min),
    "SegmentProd": _segments(_ops.segment_prod),
    "SegmentSum": _segments(_ops.segment_sum),
    "TopK": _top_k,
    "ViewAsComplex": _view_as_complex,
    "ViewAsReal": unary(lambda x: jnp.stack(_parts(x), axis=-1)),
}
"""The functions of `keras.ops.math` by Keras's class names."""

LINALG: dict[str, Function] = {
    "Cholesky": _cholesky,
    "CholeskyInverse": _cholesky_inverse,
    "Det": unary(_linalg.det),
    "Eig": unary(lambda x: tuple(_linalg.eig(x))),
    "Eigh": unary(lambda x: tuple(_linalg.eigh(x))),
    "Inv": unary(_linalg.inv),
    "Lstsq": _lstsq,
    "LuFactor": _lu_factor,
    "MatrixRank": _matrix_rank,
    "Norm": _norm,
    "Pinv": _pinv,
    "Qr": _qr,
    "SVD": _svd,
    "Solve": _solve,
    "SolveTriangular": _solve_triangular,
}
"""The functions of `keras.ops.linalg` by Keras's class names."""
