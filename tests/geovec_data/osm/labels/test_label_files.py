from __future__ import annotations

from pathlib import Path

import pytest

from geovec_data.errors import ResourceFault, UserError
from geovec_data.osm.labels import index as osm_index
from geovec_data.osm.labels.feature import Feature
from geovec_data.osm.labels.index import LabelIndex, open_index
from tests.fixtures.osm import OsmWriter, geojson, lonlat, rect, small_town

WORLD = (-180.0, -90.0, 180.0, 90.0)


def index(labels: Path, tmp_path: Path) -> LabelIndex:
    return open_index(labels, tmp_path / "cache")


def by_name(found: list[Feature]) -> dict[str, Feature]:
    assert len({f.name for f in found}) == len(found)
    return {f.name: f for f in found}


@pytest.mark.parametrize("suffix", [".osm", ".osm.bz2", ".osm.gz", ".osm.pbf"])
def test_an_osm_file_gives_areas_with_holes_and_names_those_it_cannot_assemble(suffix: str, tmp_path: Path) -> None:
    file = small_town(tmp_path / f"town{suffix}")
    opened = index(file, tmp_path)
    found = by_name(opened.query(WORLD))
    # not: the inner ring, the car park under the ground; lines: the road, the closed footpath without area=yes
    areas = {"way/1", "way/2", "way/5", "way/8", "way/12", "relation/10", "relation/11"}
    assert set(found) == {*areas, "way/6", "way/7"}
    assert {n for n, f in found.items() if f.geometry is None} == {"way/5", "relation/11"}
    assert found["way/1"].tags == {"building": "house", "name": "Ghar"}
    school = found["relation/10"].geometry
    assert len(school.interiors) == 1
    assert school.area == pytest.approx(
        0.75 * (school.bounds[2] - school.bounds[0]) * (school.bounds[3] - school.bounds[1]), rel=1e-3
    )
    # a broken relation is where its known way is
    west, north = lonlat(10, 100)
    assert found["relation/11"].bounds == pytest.approx((west, lonlat(0, 120)[1], lonlat(30, 0)[0], north), abs=1e-7)
    fact = opened.files[0]
    assert (fact["features"], fact["broken"], fact["declared"]) == (7, 2, True)
    stated, hull = opened.extents()
    assert hull.is_empty
    assert stated.bounds == pytest.approx((*lonlat(-50, 250), *lonlat(250, -50)), abs=2e-7)


def test_a_way_cut_at_the_edge_of_an_extract_is_broken_not_absent(tmp_path: Path) -> None:
    osm = OsmWriter(tmp_path / "cut.osm.pbf")
    osm.way(1, rect(0, 0, 10, 10), {"building": "yes"})
    osm.way(2, rect(20, 0, 30, 10), {"building": "yes"})
    file = osm.write(without_nodes=((20, 0), (30, 0)))
    found = by_name(index(file, tmp_path).query(WORLD))
    assert found["way/1"].fault is None
    assert found["way/2"].fault is not None


def test_no_header_bounds_means_the_hull_of_the_features(tmp_path: Path) -> None:
    osm = OsmWriter(tmp_path / "a.osm", bounds=None)
    osm.way(1, rect(0, 0, 10, 10), {"building": "yes"})
    osm.way(2, rect(90, 90, 100, 100), {"building": "yes"})
    opened = index(osm.write(), tmp_path)
    stated, hull = opened.extents()
    assert stated.is_empty
    assert hull.bounds == pytest.approx((*lonlat(0, 100), *lonlat(100, 0)), abs=2e-7)
    assert hull.area < 0.5 * hull.envelope.area  # not the box around them


def test_two_extracts_that_share_an_object_give_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    west = OsmWriter(folder / "a.osm.pbf")
    west.way(1, rect(0, 0, 10, 10), {"building": "yes"}, version=1)
    west.way(2, rect(20, 0, 25, 10), {"building": "yes"})  # cut short by the extract
    west.write()
    east = OsmWriter(folder / "b.osm.pbf")
    east.way(1, rect(0, 0, 10, 12), {"building": "house"}, version=2)
    east.way(2, rect(20, 0, 30, 10), {"building": "yes"})
    east.way(3, rect(40, 0, 50, 10), {"building": "yes"})
    east.write()
    found = by_name(index(folder, tmp_path).query(WORLD))
    assert set(found) == {"way/1", "way/2", "way/3"}
    assert found["way/1"].tags == {"building": "house"}
    assert found["way/2"].bounds[2] == pytest.approx(lonlat(30, 0)[0], abs=2e-7)


def test_a_query_reads_what_touches_it_and_no_more(tmp_path: Path) -> None:
    osm = OsmWriter(tmp_path / "many.osm.pbf", (-50, -50, 60_000, 60_000))
    for i in range(5000):
        x, y = 900 * (i % 71), 900 * (i // 71)
        osm.way(i + 1, rect(x, y, x + 10, y + 10), {"building": "yes"})
    opened = index(osm.write(), tmp_path)
    assert opened.count == 5000
    assert opened._bounds.shape[1] > 1  # several row groups, or the test says nothing
    for x, y in [(0, 0), (9000, 18_000), (53_100, 900)]:
        window = (*lonlat(x - 5, y + 905), *lonlat(x + 905, y - 5))
        found = opened.query((window[0], window[1], window[2], window[3]))
        west, north = lonlat(x, y)
        assert len(found) == 4
        assert any(
            f.bounds[0] == pytest.approx(west, abs=2e-7) and f.bounds[3] == pytest.approx(north, abs=2e-7)
            for f in found
        )


def test_the_index_is_found_again_by_content(tmp_path: Path) -> None:
    file = small_town(tmp_path / "town.osm")
    index(file, tmp_path)
    (folder,) = (tmp_path / "cache").iterdir()
    before = (folder / "features.parquet").stat().st_mtime_ns
    index(file, tmp_path)
    assert [(folder / "features.parquet").stat().st_mtime_ns] == [before]
    moved = tmp_path / "elsewhere" / "town.osm"
    moved.parent.mkdir()
    file.rename(moved)
    index(moved, tmp_path)
    assert list((tmp_path / "cache").iterdir()) == [folder]
    moved.write_text(moved.read_text().replace("Ghar", "Home"))
    changed = by_name(index(moved, tmp_path).query(WORLD))
    assert changed["way/1"].tags["name"] == "Home"


def test_another_process_may_finish_the_same_index_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = small_town(tmp_path / "town.osm")
    real = osm_index.build_index

    def slower(files: tuple[Path, ...], work: Path, within: object = None) -> None:
        monkeypatch.setattr(osm_index, "build_index", real)
        assert index(file, tmp_path).count == 9  # the other process
        real(files, work)

    monkeypatch.setattr(osm_index, "build_index", slower)
    assert index(file, tmp_path).count == 9
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_half_deleted_index_is_built_again(tmp_path: Path) -> None:
    file = small_town(tmp_path / "town.osm")
    index(file, tmp_path)
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "index.json").unlink()
    assert index(file, tmp_path).count == 9


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_files: tuple[Path, ...], work: Path, _within: object = None) -> None:
        (work / "half").write_text("x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(osm_index, "build_index", full)
    with pytest.raises(ResourceFault, match="No space left"):
        index(small_town(tmp_path / "town.osm"), tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_made_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ResourceFault, match="set GEOVEC_CACHE"):
        index(small_town(tmp_path / "town.osm"), tmp_path)


def test_a_cache_path_with_odd_letters_works(tmp_path: Path) -> None:
    file = small_town(tmp_path / "town.osm")
    assert open_index(file, tmp_path / "it's a [cache] = {1} * %").count == 9


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.osm.pbf", b"\x00\x00\x00\x0d junk junk junk", "cannot be read as OSM data"),
        ("a.osm", b"<osm version='0.6'><node id='1'", "cannot be read as OSM data"),
        ("a.osm.bz2", b"no bzip2", "cannot be read as OSM data"),
        ("a.geojson", b"{", "not valid JSON"),
        ("a.geojson", b'{"type": "Feature"}', "not a GeoJSON FeatureCollection"),
        ("a.gpkg", b"no sqlite", "cannot be read as a GeoPackage"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(name: str, content: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=fault) as caught:
        index(tmp_path / name, tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []  # nothing half made stays


def test_a_pbf_cut_short_is_refused(tmp_path: Path) -> None:
    file = small_town(tmp_path / "town.osm.pbf")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match="cut short"):
        index(file, tmp_path)


def test_coordinates_that_are_no_degrees_are_the_files_fault(tmp_path: Path) -> None:
    shape = {"type": "Polygon", "coordinates": [[[9e6, 3e6], [9.1e6, 3e6], [9.1e6, 3.1e6], [9e6, 3e6]]]}
    file = geojson(tmp_path / "a.geojson", [({"building": "yes"}, shape)])
    with pytest.raises(UserError, match=r"feature 0.*CRS"):
        index(file, tmp_path)


def test_missing_labels_say_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        index(tmp_path / "none.osm", tmp_path)
    (tmp_path / "coco.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds no labels.*found: coco\.json"):
        index(tmp_path, tmp_path)
    with pytest.raises(UserError, match="not one of"):
        index(Path(__file__), tmp_path)
