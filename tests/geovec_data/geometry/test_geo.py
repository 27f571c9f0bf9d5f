from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geovec_data.errors import UserError
from geovec_data.geometry import geo

LON, LAT = st.floats(-180, 180), st.floats(-90, 90)


@pytest.mark.parametrize("name", ["lat_lon", "lon_lat", "lat_lon:0", "lon_lat:9"])
@given(LON, LAT)
@example(-180.0, -90.0)
@example(179.9999999, 89.9999999)
@example(-1e-12, -0.0)
def test_decoding_restores_the_point_within_the_stated_bounds(name: str, lon: float, lat: float) -> None:
    codec = geo.coordinate_codec(name)
    text = codec.encode(lon, lat)
    back_lon, back_lat = codec.decode(text)
    assert geo.is_lonlat(back_lon, back_lat)
    assert max(abs(back_lon - lon), abs(back_lat - lat)) <= codec.error_bound() + 1e-13
    assert geo.distance_m(lon, lat, back_lon, back_lat) <= codec.error_bound_m(lat) * (1 + 1e-6) + 1e-6
    assert codec.encode(back_lon, back_lat) == text
    assert "-0.00000" not in text or name != "lat_lon"


def test_the_order_is_in_the_text_and_the_other_order_is_refused() -> None:
    lat_first, lon_first = geo.coordinate_codec("lat_lon"), geo.coordinate_codec("lon_lat")
    text = lat_first.encode(85.5234567, 27.63128)
    assert text == "lat 27.63128, lon 85.52346"
    assert lon_first.encode(85.5234567, 27.63128) == "lon 85.52346, lat 27.63128"
    with pytest.raises(ValueError, match=r"expected 'lon …, lat …'"):
        lon_first.decode(text)


def test_a_point_off_the_globe_is_refused_both_ways() -> None:
    codec = geo.coordinate_codec("lat_lon")
    for lon, lat in [(181.0, 0.0), (0.0, 90.5), (math.nan, 0.0), (0.0, math.inf)]:
        with pytest.raises(ValueError, match="not on the globe"):
            codec.encode(lon, lat)
    with pytest.raises(ValueError, match="not on the globe"):
        codec.decode("lat 120.0, lon 10.0")


def test_unknown_codecs_are_the_users_mistake() -> None:
    with pytest.raises(UserError, match="Did you mean 'lat_lon'"):
        geo.coordinate_codec("latlon")
    with pytest.raises(UserError, match="0 to 9"):
        geo.coordinate_codec("lat_lon:x")


def test_the_name_finds_the_same_codec_again() -> None:
    for name in ["lat_lon", "lon_lat", "lat_lon:7"]:
        assert geo.coordinate_codec(name).name == name


def test_distances_by_hand() -> None:
    quarter = geo.EARTH_RADIUS_M * math.pi / 2
    assert geo.distance_m(0, 0, 90, 0) == pytest.approx(quarter)
    assert geo.distance_m(12, -90, 140, 90) == pytest.approx(2 * quarter)
    assert geo.distance_m(179.9, 0, -179.9, 0) == pytest.approx(0.2 / 90 * quarter)  # over the antimeridian
    # Paris – New York, 5,837 km by published tables
    assert geo.distance_m(2.3522, 48.8566, -74.006, 40.7128) == pytest.approx(5_837_000, rel=2e-3)


@given(LON, LAT, LON, LAT)
def test_distance_is_a_symmetric_bounded_measure(lon1: float, lat1: float, lon2: float, lat2: float) -> None:
    there, back = geo.distance_m(lon1, lat1, lon2, lat2), geo.distance_m(lon2, lat2, lon1, lat1)
    assert there == pytest.approx(float(back), abs=1e-6)
    assert 0 <= there <= math.pi * geo.EARTH_RADIUS_M * (1 + 1e-12)
    assert geo.distance_m(lon1, lat1, lon1, lat1) == 0


def test_distance_broadcasts() -> None:
    grid = geo.distance_m(np.arange(3)[:, None], 0.0, np.arange(4)[None, :], 0.0)
    assert grid.shape == (3, 4)
    assert grid[1, 1] == 0
    assert grid[0, 3] > grid[0, 2]
