from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from geovec_data.errors import DataFault, ResourceFault, UserError
from geovec_data.sources import download
from geovec_data.sources.download import fetch_https
from tests.fixtures.server import BODY, Server, running

SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as one:
        yield one


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    dest = tmp_path / "deep" / "a.zip"
    for _ in range(2):
        assert fetch_https(f"{server.url}/a", SHA, dest) == dest
    assert dest.read_bytes() == BODY
    assert server.asked == [None]
    assert [p.name for p in dest.parent.iterdir()] == ["a.zip"]


def test_a_broken_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_after = [1_000_000, 2_000_000]
    fetch_https(f"{server.url}/a", SHA, tmp_path / "a")
    assert server.asked == [None, "bytes=1000000-", "bytes=3000000-"]


def test_what_came_before_a_failure_is_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    server.break_after = [100_000] * 5
    with pytest.raises(UserError, match="500,000 bytes kept"):
        fetch_https(f"{server.url}/a", SHA, tmp_path / "a")
    server.asked.clear()
    assert fetch_https(f"{server.url}/a", SHA, tmp_path / "a").read_bytes() == BODY
    assert server.asked == ["bytes=500000-"]


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.break_after = False, [1_000_000]
    assert fetch_https(f"{server.url}/a", SHA, tmp_path / "a").read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_whole_part_file_needs_no_second_download(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(BODY)
    assert fetch_https(f"{server.url}/a", SHA, tmp_path / "a").read_bytes() == BODY


def test_another_content_is_deleted_and_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"left over of another file")
    with pytest.raises(DataFault, match="expected " + SHA):
        fetch_https(f"{server.url}/a", SHA, tmp_path / "a")
    assert not list(tmp_path.glob("a*"))
    assert fetch_https(f"{server.url}/a", SHA, tmp_path / "a").read_bytes() == BODY


def test_addresses_that_are_not_fetched(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("http://example.org/a", "file:///etc/hosts", "ftp://example.org/a"):
        with pytest.raises(UserError, match="only https"):
            fetch_https(url, SHA, tmp_path / "a")
    with pytest.raises(UserError, match="404"):
        fetch_https(f"{server.url}/absent", SHA, tmp_path / "a")
    with pytest.raises(UserError, match="Connection refused"):
        fetch_https("http://127.0.0.1:9/a", SHA, tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceFault, match="cannot write"):
        fetch_https(f"{server.url}/a", SHA, tmp_path / "file" / "a")
    monkeypatch.setattr(download, "_go_on", lambda url, part: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ResourceFault, match="No space left"):
        fetch_https(f"{server.url}/a", SHA, tmp_path / "a")
