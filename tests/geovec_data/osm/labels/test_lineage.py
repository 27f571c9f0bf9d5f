from __future__ import annotations

from pathlib import Path

import osmium
import pytest

from geovec_data.errors import UserError
from geovec_data.osm.labels import objects as osm_objects
from geovec_data.osm.labels import osm_file
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.index import open_index
from geovec_data.osm.labels.label_files import features
from geovec_data.osm.tag_table import table_hash
from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene
from tests.fixtures.dataset import build
from tests.fixtures.osm import OsmWriter, geojson, lonlat, png_with_world_file, rect, small_town

WHEN = "2024-05-29T00:00:00Z"


def dated(path: Path) -> Path:
    osm = OsmWriter(path)
    osm.header.set("osmosis_replication_timestamp", WHEN)
    osm.way(1, rect(20, 20, 40, 30), {"building": "house"}, version=3)
    return osm.write()


def test_an_image_says_what_its_labels_come_from(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    options = RasterOsmOptions(labels=str(dated(tmp_path / "a.osm.pbf")), crs="EPSG:3857")
    reader = RasterOsm(tmp_path / "img", options, "osm")
    (scene,) = [s for e in reader.entries() for s in reader.read(e)]
    assert isinstance(scene, Scene)
    assert dict(scene.attributes)["osm_date"] == WHEN
    assert dict(scene.attributes)["osm_tag_table"] == table_hash()
    assert "OpenStreetMap contributors" in dict(scene.attributes)["osm_credit"]
    assert scene.regions[0].tags == {"building": "house", "@version": "3"}


def test_the_card_says_of_when_the_map_is_and_the_duty_that_comes_with_it(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    source = [f"source.imagery={tmp_path / 'img'}", "reader.crs=EPSG:3857", "workers=1"]
    source += ["checks.max_reject_fraction=0.9"]
    dated(tmp_path / "a.osm.pbf")
    small_town(tmp_path / "b.osm.pbf")
    for name, dates, said in (
        ("a", {WHEN: 1}, f"The map's labels are of {WHEN} (1 images)."),
        ("b", {"unknown": 1}, "of an unknown date, which the label files do not say and reader.date can (1 images)."),
    ):
        labels = f"source.labels={tmp_path / f'{name}.osm.pbf'}"
        dataset = build("recipe=osm", *source, labels, f"out={tmp_path / name}")
        assert dataset.manifest.counts["map_dates"] == dates
        card = (tmp_path / name / "README.md").read_text()
        assert said in card
        assert "Share-alike: a dataset that holds a substantial part of OSM is a derived database" in card


def test_overpass_says_its_date_in_xml_and_overpass_turbo_in_geojson(tmp_path: Path) -> None:
    file = small_town(tmp_path / "town.osm")
    text = file.read_text()
    at = text.index(">", text.index("<osm")) + 1
    file.write_text(f'{text[:at]}<meta osm_base="{WHEN}"/>{text[at:]}')
    assert [f["date"] for f in open_index(file, tmp_path / "cache").files] == [WHEN]
    tally = Tally()
    list(features(geojson(tmp_path / "a.geojson", [({}, rect(0, 0, 9, 9))], timestamp=WHEN), tally))
    assert tally.date == WHEN


def test_dates_are_those_of_the_extracts_that_touch_the_image(tmp_path: Path) -> None:
    dated(tmp_path / "labels" / "a.osm.pbf")
    far = OsmWriter(tmp_path / "labels" / "b.osm.pbf", (5000, 0, 6000, 1000))
    far.header.set("osmosis_replication_timestamp", "2020-01-01T00:00:00Z")
    far.way(2, rect(5500, 500, 5510, 510), {"building": "yes"})
    far.write()
    index = open_index(tmp_path / "labels", tmp_path / "cache")
    assert index.dates((*lonlat(0, 100), *lonlat(100, 0))) == (WHEN,)
    assert index.dates((-180, -90, 180, 90)) == ("2020-01-01T00:00:00Z", WHEN)


def test_a_large_file_keeps_its_nodes_on_disk_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small_town(tmp_path / "town.osm.pbf")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    small = [(f.name, f.fault, f.bounds) for f in features(file, Tally(), scratch)]
    assert not list(scratch.iterdir())
    monkeypatch.setattr(osm_file, "ON_DISK", 0)
    assert [(f.name, f.fault, f.bounds) for f in features(file, Tally(), scratch)] == small
    assert [p.name for p in scratch.iterdir()] == ["nodes.bin"]
    open_index(file, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert sorted(p.name for p in folder.iterdir()) == ["features.parquet", "index.json"]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_corrupt_block_stops_the_whole_file(share: float, tmp_path: Path) -> None:
    osm = OsmWriter(tmp_path / "a.osm.pbf")
    for i in range(3000):
        x, y = 9 * (i % 60), 9 * (i // 60)
        osm.way(i + 1, rect(x, y, x + 5, y + 5), {"building": "yes"})
    file = osm.write()
    data = bytearray(file.read_bytes())
    at = int(len(data) * share)
    data[at : at + 64] = bytes(64)
    file.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged, cut short"):
        open_index(file, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_header_alone_is_an_empty_extract(tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    header = osmium.io.Header()
    file = tmp_path / "a.osm.pbf"
    osmium.SimpleWriter(str(file), header=header).close()
    reader = RasterOsm(tmp_path / "img", RasterOsmOptions(labels=str(file), crs="EPSG:3857"), "osm")
    with pytest.raises(UserError, match="holds no area"):
        list(reader.entries())


def test_what_waits_for_its_area_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []
    real = osm_objects.Sorter.take

    def watched(self: osm_objects.Sorter, item: object) -> None:
        real(self, item)
        waiting.append(len(self._ways) + len(self._relations) + len(self._assembled))

    def most(count: int) -> int:
        osm = OsmWriter(tmp_path / f"{count}.osm.pbf")
        for i in range(count):
            x, y = 9 * (i % 100), 9 * (i // 100)
            osm.way(i + 1, rect(x, y, x + 5, y + 5), {"building": "yes", "name": "x" * 200})
        waiting.clear()
        assert sum(1 for _ in features(osm.write(), Tally())) == count
        return max(waiting)

    monkeypatch.setattr(osm_objects.Sorter, "take", watched)
    few, many = most(4000), most(16_000)
    assert many < 1.5 * few
