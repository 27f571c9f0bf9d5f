"""Arrow arrays built from Python values are those that pyarrow builds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geovec_data import arrow
from geovec_data.schema import TABLES

FLOATS = st.floats(allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def values_of(type_: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a type of the schema, as rows hold them: structs are tuples."""
    if pa.types.is_list(type_):
        return st.lists(st.none() | values_of(type_.value_type), max_size=4)
    if pa.types.is_struct(type_):
        return st.tuples(*[st.none() | values_of(f.type) for f in type_])
    if pa.types.is_string(type_):
        return TEXT
    if pa.types.is_binary(type_):
        return st.binary(max_size=8)
    if pa.types.is_floating(type_):
        return st.floats(width=32, allow_nan=False) if type_ == pa.float32() else FLOATS
    bits = type_.bit_width - 1
    return st.integers(-(2**bits), 2**bits - 1)


def plain(value: Any, type_: pa.DataType) -> Any:
    """The value as pyarrow takes it: structs as dictionaries."""
    if value is None:
        return None
    if pa.types.is_list(type_):
        return [plain(v, type_.value_type) for v in value]
    if pa.types.is_struct(type_):
        return {f.name: plain(v, f.type) for f, v in zip(type_, value, strict=True)}
    return value


TYPES = sorted({c.type for columns in TABLES.values() for c in columns}, key=str)


@pytest.mark.parametrize("type_", TYPES, ids=str)
@given(data=st.data())
def test_every_type_of_the_schema_is_built_as_pyarrow_builds_it(type_: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | values_of(type_), max_size=12))
    made = arrow.array(values, type_)
    made.validate(full=True)
    assert made.equals(pa.array([plain(v, type_) for v in values], type_))
    assert arrow.array([plain(v, type_) for v in values], type_).equals(made)


@given(st.lists(st.booleans()), st.lists(st.integers(0, 2**60)))
def test_numpy_arrays(flags: list[bool], numbers: list[int]) -> None:
    assert arrow.booleans(np.array(flags, dtype=bool)).to_pylist() == flags
    assert arrow.integers(np.array(numbers, dtype=np.int64)).to_pylist() == numbers
