"""Samples of types that NumPy lacks, against integers of Python, published vectors and others."""

from __future__ import annotations

import math
import pickle
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.layout.samples import NAMES, Coded, Samples, mappable_dtype, parse_dtype

ORDERED = [order + name for order in "<>" for name in NAMES]
VAX = {"vaxf4": 8, "vaxd8": 8, "vaxg8": 11}
FLOATS = ["ibm4", "ibm8", *VAX, "bf2"]


def samples_of(name: str) -> Samples:
    stored, samples = parse_dtype(name)
    assert samples is not None
    assert samples.stored == stored
    return samples


def decode(name: str, raw: bytes) -> np.ndarray[Any, Any]:
    samples = samples_of(name)
    return samples.decode(np.frombuffer(raw, samples.stored))


def encode(name: str, values: Any) -> bytes:
    samples = samples_of(name)
    return samples.encode(np.asarray(values, samples.dtype)).tobytes()


def reorder(name: str, raw: bytes) -> bytes:
    """Return the bytes of one big-endian sample in the order of `name`, or back."""
    if name[0] == ">":
        return raw
    unit = {"i3": 3, "u3": 3, "ci1": 1, "ci2": 2, "ci4": 4, "ibm4": 4, "ibm8": 8}.get(name[1:], 2)
    return b"".join(raw[i : i + unit][::-1] for i in range(0, len(raw), unit))


def exact(kind: str, word: int) -> Any:
    """Return the value of a float, by integers alone; None where there is none."""
    if kind.startswith("ibm"):
        digits = 8 * int(kind[-1]) - 8
        sign, exponent = word >> (digits + 7), (word >> digits) & 127
        value = Fraction(word % 2**digits, 2**digits) * Fraction(16) ** (exponent - 64)
        return -value if sign else value
    bits = VAX[kind]
    digits = 8 * int(kind[-1]) - 1 - bits
    sign, exponent = word >> (digits + bits), (word >> digits) % 2**bits
    if not exponent:
        return None if sign else Fraction(0)
    mantissa = Fraction(2**digits + word % 2**digits, 2 ** (digits + 1))
    value = mantissa * Fraction(2) ** (exponent - 2 ** (bits - 1))
    return -value if sign else value


def nearest(dtype: np.dtype[Any], value: Fraction | None) -> float:
    """Return the value of a type that is nearest, by Python's own conversions."""
    if value is None:
        return math.nan
    if dtype == np.float64:
        return float(value)
    try:  # all values of four bytes are exact as doubles
        return float(struct.unpack("<f", struct.pack("<f", float(value)))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


class TestNames:
    @pytest.mark.parametrize("name", ORDERED)
    def test_every_name_is_a_value(self, name: str) -> None:
        samples = samples_of(name)
        assert samples == samples_of(name)
        assert hash(samples) == hash(samples_of(name))
        assert pickle.loads(pickle.dumps(samples)) == samples
        assert name in repr(samples)
        assert samples.writable
        with pytest.raises(AttributeError):
            samples.name = "<u3"  # type: ignore[attr-defined]

    @pytest.mark.parametrize("name", ORDERED)
    def test_numpy_does_not_know_it(self, name: str) -> None:
        with pytest.raises(TypeError):
            np.dtype(name)

    @pytest.mark.parametrize("dtype", [">f4", "u1", np.int16, [("a", "<i2"), ("b", ">f8")], "V3"])
    def test_what_numpy_knows_is_left_to_it(self, dtype: Any) -> None:
        assert parse_dtype(dtype) == (np.dtype(dtype), None)

    @pytest.mark.parametrize("name", NAMES)
    def test_the_byte_order_is_needed(self, name: str) -> None:
        with pytest.raises(TypeError, match=f"'<{name}' or '>{name}'"):
            parse_dtype(name)

    def test_unknown_names_are_numpys_errors(self) -> None:
        with pytest.raises(TypeError):
            parse_dtype("<i5")

    def test_no_map_shows_them(self) -> None:
        assert mappable_dtype(">f4") == np.dtype(">f4")
        with pytest.raises(TypeError, match="RawArray"):
            mappable_dtype("<i3")

    def test_values(self) -> None:
        types = {name: parse_dtype(">" + name)[1].dtype.str[1:] for name in NAMES}  # type: ignore[union-attr]
        assert types == {
            "i3": "i4", "u3": "u4", "ci1": "c8", "ci2": "c8", "ci4": "c16", "ibm4": "f4",
            "ibm8": "f8", "vaxf4": "f4", "vaxd8": "f8", "vaxg8": "f8", "bf2": "f4",
        }  # fmt: skip


class TestIntegers:
    @pytest.mark.parametrize("order", ["little", "big"])
    @pytest.mark.parametrize("signed", [True, False])
    @given(data=st.data())
    def test_three_bytes(self, order: Any, signed: bool, data: Any) -> None:
        low = -(2**23) if signed else 0
        numbers = data.draw(st.lists(st.integers(low, low + 2**24 - 1)))
        raw = b"".join(n.to_bytes(3, order, signed=signed) for n in numbers)
        name = ("<" if order == "little" else ">") + ("i3" if signed else "u3")
        assert decode(name, raw).tolist() == numbers
        assert encode(name, numbers) == raw

    @pytest.mark.parametrize(("name", "number"), [
        ("<i3", 2**23), ("<i3", -(2**23) - 1), ("<u3", 2**24),
        ("<ci1", 128), ("<ci2", -32769j), ("<ci4", 2**31),
    ])  # fmt: skip
    def test_what_does_not_fit_is_refused(self, name: str, number: Any) -> None:
        with pytest.raises(ValueError, match=f"{name}.*out of their range"):
            encode(name, [0, number])

    @pytest.mark.parametrize("number", [0.5, 1j / 3, math.nan])
    def test_parts_that_are_not_whole_are_refused(self, number: Any) -> None:
        with pytest.raises(ValueError, match="whole"):
            encode("<ci2", [number])

    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize(("nbytes", "code"), [(1, "b"), (2, "h"), (4, "i")])
    @given(data=st.data())
    def test_pairs(self, order: str, nbytes: int, code: str, data: Any) -> None:
        number = st.integers(-(2 ** (8 * nbytes - 1)), 2 ** (8 * nbytes - 1) - 1)
        pairs = data.draw(st.lists(st.tuples(number, number)))
        raw = b"".join(struct.pack(f"{order}2{code}", *pair) for pair in pairs)
        values = decode(f"{order}ci{nbytes}", raw)
        assert [(v.real, v.imag) for v in values.tolist()] == pairs
        assert encode(f"{order}ci{nbytes}", values) == raw


class TestFloats:
    @pytest.mark.parametrize("name", [o + n for o in "<>" for n in FLOATS if n != "bf2"])
    @given(data=st.data())
    def test_decoding_is_exact_or_nearest(self, name: str, data: Any) -> None:
        nbytes = int(name[-1])
        word = data.draw(st.integers(0, 2 ** (8 * nbytes) - 1))
        (value,) = decode(name, reorder(name, word.to_bytes(nbytes, "big"))).tolist()
        wanted = nearest(samples_of(name).dtype, exact(name[1:], word))
        assert value == wanted or (math.isnan(value) and math.isnan(wanted))

    @pytest.mark.parametrize("name", [o + n for o in "<>" for n in ("ibm4", "ibm8")])
    @given(data=st.data())
    def test_ibm_is_written_to_the_nearest(self, name: str, data: Any) -> None:
        size, nbytes = 8 * int(name[-1]) - 8, int(name[-1])
        width = samples_of(name).dtype.itemsize * 8
        value = data.draw(st.floats(-7e75, 7e75, width=64) if width == 64 else st.floats(
            width=32, allow_nan=False, allow_infinity=False
        ))  # fmt: skip
        word = int.from_bytes(reorder(name, encode(name, [value])), "big")
        written = exact(name[1:], word)
        assert written is not None
        exponent = (word >> size) & 127
        step = Fraction(16) ** (exponent - 64) / 2**size
        assert abs(written - Fraction(value)) <= step / 2
        assert exponent == 0 or word % 2**size >= 2 ** (size - 4)  # normalised
        assert len(encode(name, [value])) == nbytes

    @pytest.mark.parametrize("name", [o + n for o in "<>" for n in VAX])
    @given(data=st.data())
    def test_vax_is_written_exactly(self, name: str, data: Any) -> None:
        small = name[1:] != "vaxg8"
        limit = float(np.float32(1.7e38)) if small else 8.9e307
        width = 32 if name[1:] == "vaxf4" else 64
        value = data.draw(st.floats(-limit, limit, width=width))  # type: ignore[arg-type]
        word = int.from_bytes(reorder(name, encode(name, [value])), "big")
        written = exact(name[1:], word)
        least = 2.0**-128 if small else 2.0**-1024
        assert written == (Fraction(value) if abs(value) >= least else 0)

    @pytest.mark.parametrize(("hexadecimal", "value"), [
        ("C276A000", -118.625),  # the example of the article in Wikipedia
        ("41100000", 1.0), ("C1100000", -1.0), ("42640000", 100.0), ("40800000", 0.5),
        ("00000000", 0.0), ("4019999A", 0.1), ("46F42400", 16_000_000.0),
    ])  # fmt: skip
    def test_vectors_of_ibm(self, hexadecimal: str, value: float) -> None:
        raw = bytes.fromhex(hexadecimal)
        assert decode(">ibm4", raw)[0] == pytest.approx(value, rel=2**-20)
        assert encode(">ibm4", [value]) == raw
        assert encode("<ibm4", [value]) == raw[::-1]

    @pytest.mark.parametrize(("longword", "value"), [
        # Of the tests of libvaxdata, U.S. Geological Survey Open-File Report 2005-1424.
        (0x00004080, 1.0), (0x0000C080, -1.0), (0x00004160, 3.5), (0x0000C160, -3.5),
        (0x0FD04149, 3.14159), (0x0FD0C149, -3.14159), (0xBDC27DF0, 1e37), (0x1CEA0308, 1e-37),
        (0x0652409E, 1.23456789), (0x0652C09E, -1.23456789),
    ])  # fmt: skip
    def test_vectors_of_vax(self, longword: int, value: float) -> None:
        raw = struct.pack("<I", longword)
        assert decode("<vaxf4", raw)[0] == np.float32(value)
        assert encode("<vaxf4", [value]) == raw

    @given(st.floats(width=32, min_value=2.0**-100, max_value=2.0**100))
    def test_vax_f_is_ieee_with_another_exponent(self, value: float) -> None:
        (word,) = struct.unpack("<I", struct.pack("<f", value))
        assert encode(">vaxf4", [value]) == struct.pack(">I", word + 2**24)
        assert encode(">vaxd8", [value]) == struct.pack(">II", word + 2**24, 0)

    @given(st.floats(min_value=2.0**-1000, max_value=2.0**1000))
    def test_vax_g_is_ieee_with_another_exponent(self, value: float) -> None:
        (word,) = struct.unpack("<Q", struct.pack("<d", value))
        assert encode(">vaxg8", [value]) == struct.pack(">Q", word + 2**53)

    @pytest.mark.parametrize("kind", VAX)
    def test_reserved_operands_are_nan(self, kind: str) -> None:
        raw = b"\x80" + bytes(int(kind[-1]) - 1)
        assert math.isnan(decode(f">{kind}", raw)[0])
        assert encode(f">{kind}", [math.nan]) == raw
        assert encode(f">{kind}", [-0.0]) == bytes(int(kind[-1]))

    @pytest.mark.parametrize(("kind", "values"), [
        ("ibm4", [math.inf, math.nan]), ("ibm8", [math.inf, math.nan, 7.3e75]),
        ("vaxf4", [math.inf, 1.8e38]), ("vaxd8", [math.inf, 1.8e38]), ("vaxg8", [9e307]),
    ])  # fmt: skip
    def test_what_a_float_cannot_hold_is_refused(self, kind: str, values: list[float]) -> None:
        for value in values:
            with pytest.raises(ValueError, match=f"<{kind}.*cannot hold"):
                encode(f"<{kind}", [1.0, value])

    def test_ibm_beyond_single_precision(self) -> None:
        assert decode(">ibm4", bytes.fromhex("7FFFFFFF")).tolist() == [math.inf]
        assert decode(">ibm4", bytes.fromhex("00100000")).tolist() == [0.0]

    @pytest.mark.parametrize("order", "<>")
    @given(st.floats(width=32))
    def test_bfloat16_is_the_upper_half(self, order: str, value: float) -> None:
        raw = encode(f"{order}bf2", [value])
        word = int.from_bytes(reorder(f"{order}bf2", raw), "big")
        (read,) = struct.unpack(">f", struct.pack(">I", word << 16))
        assert decode(f"{order}bf2", raw)[0] == pytest.approx(read, abs=0, rel=0, nan_ok=True)
        (bits,) = struct.unpack(">I", struct.pack(">f", value))
        if math.isnan(value):
            assert math.isnan(read)
        else:  # no other one is nearer, and of two the even one is taken
            assert abs((word << 16) - bits) <= 2**15
            assert abs((word << 16) - bits) < 2**15 or word % 2 == 0

    def test_segyio_agrees(self) -> None:
        pytest.importorskip("segyio._segyio")
        native = pytest.importorskip("segyio.tools").native
        values = np.random.default_rng(1).normal(size=1000).astype("f4") * 1000
        raw = encode(">ibm4", values)
        assert np.array_equal(native(np.frombuffer(raw, "u4").copy(), 1), decode(">ibm4", raw))

    def test_ml_dtypes_agrees(self) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        words = np.arange(2**16, dtype="<u2")
        theirs = words.view(ml_dtypes.bfloat16).astype("f4")
        assert np.array_equal(theirs, decode("<bf2", words.tobytes()), equal_nan=True)
        values = np.random.default_rng(1).integers(0, 0x7F800000, 10_000, "u4").view("f4")
        assert values.astype(ml_dtypes.bfloat16).tobytes() == encode("<bf2", values)


class TestArrays:
    @pytest.mark.parametrize("name", ORDERED)
    def test_strided_arrays_of_any_shape(self, name: str) -> None:
        samples = samples_of(name)
        numbers = np.arange(1, 61).reshape(3, 4, 5).astype(samples.dtype)
        stored = samples.encode(numbers)
        assert stored.dtype == samples.stored
        assert stored.shape == numbers.shape
        keys: list[Any] = [..., (1, 2, 3), (slice(None, None, -1), 1), (slice(0, 0),)]
        for key in keys:
            found = samples.decode(stored[key])
            assert found.dtype == samples.dtype
            assert np.array_equal(found, numbers[key])
            assert found.flags.writeable
        assert np.array_equal(samples.decode(stored.T), numbers.T)
        assert np.array_equal(samples.encode(numbers.T), stored.T)

    def test_more_than_one_block(self) -> None:
        numbers = np.arange(100_000, dtype="i4")
        assert np.array_equal(decode("<i3", encode("<i3", numbers)), numbers)

    def test_nothing_is_changed_in_place(self) -> None:
        raw = np.arange(6, dtype="u1")
        Coded("<i3").decode(raw.view("V3"))
        assert raw.tolist() == [0, 1, 2, 3, 4, 5]
