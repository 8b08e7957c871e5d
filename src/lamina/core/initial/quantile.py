"""The quantile function of the normal distribution, computed with + - * / and sqrt only.

These operations are correctly rounded on every machine (IEEE 754), and NumPy does not fuse them, so
the results are equal bit for bit everywhere. ``erfinv`` and ``log`` of libraries do not guarantee
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DOUBLE", "SINGLE", "Precision", "normal_quantile"]

Floats: TypeAlias = NDArray[np.float64]
Coefficients: TypeAlias = tuple[float, ...]  # highest power first

_CENTRAL = 0.425  # largest |p - 1/2| of the central rational function
_FAR = 5.0  # smallest sqrt(-log p) of the rational function of the far tail
_ROOT_HALF_BITS = int(np.float64(0.7071067811865476).view(np.int64))
_MANTISSA = (1 << 52) - 1
_LN2 = 0.6931471805599453


@dataclass(frozen=True, slots=True)
class Precision:
    """The coefficients of the rational functions (numerator, denominator) and of log's series."""

    central: tuple[Coefficients, Coefficients]
    tail: tuple[Coefficients, Coefficients]
    far: tuple[Coefficients, Coefficients] | None
    log_terms: Coefficients


def _atanh_terms(count: int) -> Coefficients:
    return tuple(2.0 / (2 * k + 1) for k in reversed(range(count)))


# PPND7: about 7 digits, for float32, whose p is above 2**-33 and so never in the far tail.
SINGLE = Precision(
    central=(
        (59.109374720, 159.29113202, 50.434271938, 3.3871327179),
        (67.187563600, 78.757757664, 17.895169469, 1.0),
    ),
    tail=(
        (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777),
        (0.12021132975, 0.73700164250, 1.0),
    ),
    far=None,
    log_terms=_atanh_terms(6),
)

# PPND16: about 16 digits, for float64.
DOUBLE = Precision(
    central=(
        (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
         45921.953931549871457, 13731.693765509461125, 1971.5909503065514427,
         133.14166789178437745, 3.3871328727963666080),
        (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610,
         21213.794301586595867, 5394.1960214247511077, 687.18700749205790830,
         42.313330701600911252, 1.0),
    ),
    tail=(
        (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
         1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
         4.63033784615654529590, 1.42343711074968357734),
        (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
         1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
         2.05319162663775882187, 1.0),
    ),
    far=(
        (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
         2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
         5.46378491116411436990, 6.65790464350110377720),
        (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
         7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
         5.99832206555887937690e-1, 1.0),
    ),
    log_terms=_atanh_terms(11),
)  # fmt: skip


def normal_quantile(q: Floats, precision: Precision = DOUBLE) -> Floats:
    """Compute the standard normal quantile at probability ``1/2 + q``, in place.

    The result is the ``x`` with ``Phi(x) = 1/2 + q``. Centred probabilities keep full precision in
    both tails.

    Args:
        q: shape [n], values in (-1/2, 1/2); overwritten with the result.
        precision: `DOUBLE` (default, relative error 1e-15) or `SINGLE` (relative error 2e-7, for
            float32; ``|q| <= 1/2 - 2**-33``).

    Returns:
        ``q``.

    Source: Wichura, M. J. (1988), Algorithm AS 241, Applied Statistics 37 (3), 477-484.

    >>> normal_quantile(np.array([-0.475, 0.0, 0.475])).round(6).tolist()
    [-1.959964, 0.0, 1.959964]
    """
    size = np.abs(q)
    outer = (size > _CENTRAL).nonzero()[0]
    tails = _tail(q.take(outer), size.take(outer), precision)
    square = np.multiply(q, q, out=size)
    r = np.subtract(0.180625, square, out=square)  # 0.425**2 - q**2
    numerator, denominator = precision.central
    scratch = np.empty_like(r)
    q *= _horner(r, numerator, scratch)
    q /= _horner(r, denominator, scratch)
    q[outer] = tails
    return q


def _tail(q: Floats, size: Floats, precision: Precision) -> Floats:
    p = np.subtract(0.5, size)  # exact: both are multiples of 2**-54
    r = _log(p, precision.log_terms)
    np.sqrt(np.negative(r, out=r), out=r)
    x = _fraction(r - 1.6, precision.tail)
    if precision.far is not None:
        far = (r > _FAR).nonzero()[0]
        x[far] = _fraction(r[far] - _FAR, precision.far)
    return np.copysign(x, q, out=x)


def _fraction(r: Floats, fraction: tuple[Coefficients, Coefficients]) -> Floats:
    numerator, denominator = fraction
    x = _horner(r, numerator, np.empty_like(r))
    x /= _horner(r, denominator, np.empty_like(r))
    return x


def _log(p: Floats, terms: Coefficients) -> Floats:
    """Compute log p for normal p > 0: ``e log 2 + 2 atanh((m - 1) / (m + 1))``, p = m 2^e."""
    bits = p.view(np.int64) - _ROOT_HALF_BITS
    exponent = bits >> 52
    bits &= _MANTISSA
    bits += _ROOT_HALF_BITS  # now m is in [sqrt(1/2), sqrt(2)), where the series converges fast
    m = bits.view(np.float64)
    s = m - 1.0
    m += 1.0
    s /= m
    square = s * s
    series = _horner(square, terms, m)
    series *= s
    series += np.multiply(exponent, _LN2, out=square)
    return series


def _horner(x: Floats, coefficients: Coefficients, out: Floats) -> Floats:
    """Evaluate a polynomial at x, into `out`, which must not be x."""
    first, second, *rest = coefficients
    np.multiply(x, first, out=out)
    out += second
    for coefficient in rest:
        out *= x
        out += coefficient
    return out
