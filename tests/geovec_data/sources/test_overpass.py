from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from geovec_data.cli import main
from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.label_files import features
from geovec_data.sources.overpass import fetch_labels
from tests.fixtures.osm import lonlat, png_with_world_file
from tests.fixtures.overpass import REMARK, WHEN, MapServer, map_server

BOX = "bbox:{:.7f},{:.7f},{:.7f},{:.7f}".format(*lonlat(-50, 250), *lonlat(250, -50))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MapServer]:
    with map_server(tmp_path) as running:
        monkeypatch.setenv("GEOVEC_OVERPASS_URL", f"{running.url}/api")
        monkeypatch.setenv("GEOVEC_NOMINATIM_URL", running.url)
        monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(time, "sleep", lambda _: None)  # osmnx waits a second before it asks Nominatim
        yield running


def test_a_box_is_fetched_once_with_versions_date_and_extent(server: MapServer, tmp_path: Path) -> None:
    file = fetch_labels(Path(BOX), tmp_path / "cache")
    assert fetch_labels(Path(BOX), tmp_path / "cache") == file
    (query,) = server.queries
    assert query.startswith("[out:xml][timeout:180][bbox:27.")
    assert 'nwr["building"];' in query
    assert query.endswith("(._;>;);out meta;")
    tally = Tally()
    found = {f.name: f for f in features(file, tally)}
    assert found["way/1"].version == 1
    assert len(found["relation/10"].geometry.interiors) == 1
    assert found["way/5"].fault
    assert tally.date == WHEN
    assert tally.extent == pytest.approx((*lonlat(-50, 250), *lonlat(250, -50)), abs=2e-7)


def test_a_place_becomes_a_dataset_by_the_command(server: MapServer, tmp_path: Path) -> None:
    png_with_world_file(tmp_path / "img")
    line = ["build", "recipe=osm", f"source.imagery={tmp_path / 'img'}", "source.labels=place:Banepa, Nepal"]
    line += ["reader.crs=EPSG:3857", "workers=1", "checks.max_reject_fraction=1", "split=image"]
    assert main([*line, f"out={tmp_path / 'one'}"]) == 0
    assert server.places == ["Banepa, Nepal"]
    assert main(["verify", f"dataset={tmp_path / 'one'}"]) == 0
    (row,) = pq.read_table(tmp_path / "one" / "images").to_pylist()
    assert ("osm_date", WHEN) in [tuple(pair.values()) for pair in row["attributes"]]
    server.status = 500  # what was fetched needs no network again
    assert main([*line, f"out={tmp_path / 'two'}"]) == 0
    same = [(tmp_path / n / "manifest.json").read_bytes() for n in ("one", "two")]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("labels", "status", "remark", "cut", "said"),
    [
        ("bbox:1,2,3", 200, "", False, "write bbox:<west>,<south>,<east>,<north>"),
        ("bbox:179,0,-179,1", 200, "", False, "over the antimeridian is two boxes"),
        ("bbox:84,27,86,28", 200, "", False, "at most 2,500 km²"),
        ("place:Nowhere at all", 200, "", False, "Nominatim knows no such place"),
        ("place:Nowhere at all", 500, "", False, "Nominatim knows no such place"),
        (BOX, 429, "", False, "answers 429 Too Many Requests; it is busy"),
        (BOX, 400, "", False, "answers 400"),
        (BOX, 200, REMARK, False, "could not answer: runtime error: Query timed out"),
        (BOX, 200, "", True, "cut short or no OSM data"),
    ],
)
def test_what_goes_wrong_is_one_message_and_nothing_is_kept(
    labels: str, status: int, remark: str, cut: bool, said: str, server: MapServer, tmp_path: Path
) -> None:
    server.status, server.remark, server.cut = status, remark, cut
    with pytest.raises(UserError) as caught:
        fetch_labels(Path(labels), tmp_path / "cache")
    assert said in str(caught.value)
    assert f"source.labels={labels}" in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.osm"))


@pytest.mark.parametrize("labels", [BOX, "place:Banepa, Nepal"])
def test_without_a_network_the_command_names_the_other_ways(
    labels: str, server: MapServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OVERPASS", "NOMINATIM"):
        monkeypatch.setenv(f"GEOVEC_{name}_URL", "http://127.0.0.1:1/api")
    png_with_world_file(tmp_path / "img")
    line = ["build", "recipe=osm", f"source.imagery={tmp_path / 'img'}", f"source.labels={labels}"]
    assert main([*line, f"out={tmp_path / 'out'}"]) == 2
    said = capsys.readouterr().err
    assert "needs the network" in said
    assert "https://download.geofabrik.de" in said
    assert "Traceback" not in said
