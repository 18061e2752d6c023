"""Floats of IBM mainframes and of VAXes, and bfloat16.

Bytes come and go as rows, one per sample, the most significant byte first: that of the sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "decode_bfloat",
    "decode_ibm",
    "decode_vax",
    "encode_bfloat",
    "encode_ibm",
    "encode_vax",
]

Bytes = npt.NDArray[np.uint8]


def decode_ibm(nbytes: int, rows: Bytes) -> npt.NDArray[Any]:
    """Return hexadecimal floats: ``fraction * 16 ** (exponent - 64)``, nearest doubles."""
    digits = 8 * nbytes - 8
    sign, exponent, fraction = _split(rows, 7, digits)
    # Of 56 bits, three are rounded away.
    values = np.ldexp(fraction.astype(np.float64), 4 * (exponent - 64) - digits)
    signed: npt.NDArray[Any] = np.where(sign, -values, values)
    return signed


def encode_ibm(nbytes: int, values: npt.NDArray[Any]) -> Bytes:
    """Return the nearest hexadecimal floats, normalised wherever their exponent allows.

    Raises
    ------
    ValueError
        If a value is not finite, or too large.
    """
    digits = 8 * nbytes - 8
    _refuse(values, ~np.isfinite(values))
    mantissa, exponent = np.frexp(np.abs(values.astype(np.float64)))
    power = np.maximum(-(-exponent // 4), -64)
    fraction = np.rint(np.ldexp(mantissa, exponent - 4 * power + digits)).astype(np.uint64)
    carried = fraction >> np.uint64(digits) != 0
    fraction = np.where(carried, fraction >> np.uint64(4), fraction)
    power = np.where(fraction == 0, -64, power + carried)
    _refuse(values, power > 63)
    return _join(nbytes, np.signbit(values), power + 64, fraction, digits)


def decode_vax(nbytes: int, exponent_bits: int, rows: Bytes) -> npt.NDArray[Any]:
    """Return VAX floats: ``0.1fraction * 2 ** (exponent - bias)``; NaN for reserved operands."""
    digits = 8 * nbytes - 1 - exponent_bits
    sign, exponent, fraction = _split(rows, exponent_bits, digits)
    hidden = (fraction | np.uint64(1 << digits)).astype(np.float64)
    values = np.ldexp(hidden, exponent - (1 << (exponent_bits - 1)) - digits - 1)
    values = np.where(sign, -values, values)
    # Without an exponent there is no number; a negative zero stops a VAX.
    return np.where(exponent == 0, np.where(sign, np.nan, 0.0), values)


def encode_vax(nbytes: int, exponent_bits: int, values: npt.NDArray[Any]) -> Bytes:
    """Return VAX floats, which hold every digit; zero for what is too small.

    Raises
    ------
    ValueError
        If a value is too large.
    """
    digits = 8 * nbytes - 1 - exponent_bits
    mantissa, power = np.frexp(np.abs(values.astype(np.float64)))
    power = power + (1 << (exponent_bits - 1))
    missing = np.isnan(values)
    _refuse(values, np.isinf(values) | ((power >> exponent_bits > 0) & ~missing))
    zero = (mantissa == 0) | (power < 1) | missing
    scaled = np.ldexp(np.where(zero, 0, mantissa), digits + 1).astype(np.uint64)
    fraction = scaled & np.uint64((1 << digits) - 1)
    sign = np.where(zero, missing, np.signbit(values))
    return _join(nbytes, sign, np.where(zero, 0, power), fraction, digits)


def decode_bfloat(rows: Bytes) -> npt.NDArray[Any]:
    """Return the upper halves of floats."""
    upper = np.ascontiguousarray(rows).view(">u2")[:, 0].astype(np.uint32)
    return (upper << np.uint32(16)).view(np.float32)


def encode_bfloat(values: npt.NDArray[Any]) -> Bytes:
    """Return the upper halves of floats, rounded to the nearest, of two to the even one."""
    bits = values.view(np.uint32)
    upper = bits >> np.uint32(16)
    # What overflows a mantissa goes into the exponent, as it should, up to infinity.
    rounded = (bits + np.uint32(0x7FFF) + (upper & np.uint32(1))) >> np.uint32(16)
    result = np.where(np.isnan(values), upper | np.uint32(0x40), rounded)
    return result.astype(">u2").view(np.uint8).reshape(-1, 2)


def _split(
    rows: Bytes, exponent_bits: int, digits: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return whether each float is negative, its exponent, and its fraction as an integer."""
    words = np.ascontiguousarray(rows).view(f">u{rows.shape[1]}")[:, 0].astype(np.uint64)
    exponent = (words >> np.uint64(digits)) & np.uint64((1 << exponent_bits) - 1)
    fraction = words & np.uint64((1 << digits) - 1)
    negative = words >> np.uint64(digits + exponent_bits) != 0
    return negative, exponent.astype(np.int32), fraction


def _join(nbytes: int, sign: Any, exponent: Any, fraction: Any, digits: int) -> Bytes:
    top = np.uint64(8 * nbytes - 1)
    words = sign.astype(np.uint64) << top | exponent.astype(np.uint64) << np.uint64(digits)
    rows: Bytes = (words | fraction).astype(f">u{nbytes}").view(np.uint8).reshape(-1, nbytes)
    return rows


def _refuse(values: npt.NDArray[Any], which: npt.NDArray[Any]) -> None:
    if which.any():
        raise ValueError(f"they cannot hold {values[which][0]}")
