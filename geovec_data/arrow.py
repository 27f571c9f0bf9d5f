"""From Python lists to Arrow arrays through numpy buffers, for the types that the schema has.

`pyarrow.array` imports pandas, where it is installed, to see whether it was handed a Series: 0.3 s in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MOST = 2**31 - 1

Values = Sequence[Any] | NDArray[Any]

_NUMBERS: dict[pa.DataType, str] = {pa.int32(): "<i4", pa.int64(): "<i8", pa.float64(): "<f8", pa.float32(): "<f4"}


def array(values: Values, type_: pa.DataType) -> pa.Array:
    """Build an array.

    Args:
        values: None for null; a list's value is a sequence; a struct's is a tuple in the order of its fields, or a
            dict.
        type_: string, binary, int32, int64, float32 or float64, or lists and structs of these.

    Raises:
        OverflowError: 2 GiB of text or bytes in one array; write smaller batches.
    """
    if type_ in _NUMBERS:
        present = _present(values)
        numbers = np.array(values if present is None else [v or 0 for v in values], dtype=_NUMBERS[type_])
        return pa.Array.from_buffers(type_, len(values), [_bits(present), pa.py_buffer(numbers)])
    present = _present(values)
    if pa.types.is_struct(type_):
        return _struct(values, present, type_)
    whole = values if present is None else [() if v is None else v for v in values]
    if pa.types.is_list(type_):
        inside = array([item for value in whole for item in value], type_.value_type)
        buffers = [_bits(present), _offsets([len(v) for v in whole])]
        return pa.Array.from_buffers(type_, len(values), buffers, children=[inside])
    lengths, data = _joined(whole, text=pa.types.is_string(type_))
    return pa.Array.from_buffers(type_, len(values), [_bits(present), _offsets(lengths), pa.py_buffer(data)])


def booleans(values: NDArray[np.bool_]) -> pa.Array:
    """Build a boolean array without null."""
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def integers(values: NDArray[np.int64]) -> pa.Array:
    """Build an int64 array without null, over the array's own memory."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def numbers(values: pa.Array) -> NDArray[Any]:
    """Return the values of an array of numbers or booleans without null; numbers share the array's memory."""
    part = slice(values.offset, values.offset + len(values))
    buffer = values.buffers()[1] if len(values) else b""
    if pa.types.is_boolean(values.type):
        return np.unpackbits(np.frombuffer(buffer, dtype=np.uint8), bitorder="little")[part].astype(bool)
    return np.frombuffer(buffer, dtype=values.type.to_pandas_dtype())[part]


def table(columns: Sequence[Values], schema: pa.Schema) -> pa.Table:
    """Build a table from columns of Python values in the order of the schema."""
    return pa.Table.from_arrays([array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def empty(schema: pa.Schema) -> pa.Table:
    """Build a table without rows (`pyarrow.Schema.empty_table` imports pandas too)."""
    return table([()] * len(schema), schema)


def scalar(value: Any, type_: pa.DataType) -> pa.Scalar:
    """Build one value."""
    return array([value], type_)[0]


def _joined(values: Values, *, text: bool) -> tuple[list[int], bytes]:
    """Join texts or byte strings; returns the length of each in bytes, and all of them."""
    if not text:
        return [len(v) for v in values], b"".join([v or b"" for v in values])
    joined = "".join([v or "" for v in values])
    if joined.isascii():
        return [len(v) for v in values], joined.encode("ascii")
    parts = [(v or "").encode("utf-8") for v in values]
    return [len(p) for p in parts], b"".join(parts)


def _struct(values: Values, present: NDArray[np.bool_] | None, type_: pa.DataType) -> pa.Array:
    names = [field.name for field in type_]
    rows = [tuple(v[n] for n in names) if isinstance(v, dict) else v for v in values]
    if present is not None:
        absent = (None,) * len(names)
        rows = [absent if r is None else r for r in rows]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    children = [array(c, f.type) for c, f in zip(columns, type_, strict=True)]
    return pa.Array.from_buffers(type_, len(values), [_bits(present)], children=children)


def _present(values: Values) -> NDArray[np.bool_] | None:
    """Say which values are not None; None when all are there."""
    return np.array([v is not None for v in values], dtype=bool) if None in values else None


def _bits(present: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def _offsets(lengths: Sequence[int]) -> pa.Buffer:
    ends = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(np.array(lengths, dtype=np.int64), out=ends[1:])
    if ends[-1] > _MOST:
        raise OverflowError(f"{ends[-1]} bytes in one Arrow array")
    return pa.py_buffer(ends.astype("<i4"))
