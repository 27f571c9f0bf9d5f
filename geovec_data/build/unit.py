"""What a worker does with one unit: read → chip → check → describe → task → staged shards, renamed when whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from geovec_data import ids
from geovec_data.build.file_digest import FileDigests, file_digest
from geovec_data.build.rows import Emitter, pairs, wkb_polygon
from geovec_data.origins import OriginRule, origin_of
from geovec_data.readers.base import Entry, Reader
from geovec_data.records import Box, Reject, Scene
from geovec_data.store.image_rows import ImageRows
from geovec_data.store.journal import UnitRecord
from geovec_data.store.merge import sorted_rows
from geovec_data.store.staging import staged_name
from geovec_data.store.writer import ShardWriter


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker must know; picklable. Paths are this machine's and enter no fingerprint."""

    corpus: str
    root: Path
    staging: Path
    reader: str
    reader_options: dict[str, Any]
    chip: dict[str, Any] | None
    checks: dict[str, Any]
    expressions: bool
    captions: bool
    questions: bool
    tasks: tuple[str, ...]
    licence: str
    attribution: str
    origins: tuple[OriginRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A hash bucket of a corpus's entries, with the fingerprint of its input."""

    corpus: str
    name: str
    stat: str
    recipe: str
    entries: tuple[Entry, ...]


def make_reader(job: Job) -> Reader:
    """Build the job's reader with validated options."""
    from geovec_data.options import validate
    from geovec_data.readers import get_reader

    kind = get_reader(job.reader)
    return kind(
        job.root, validate(kind.Options, job.reader_options, f"geovec-data describe reader={job.reader}"), job.corpus
    )


class UnitWorker:
    """Processes units of one job; one per process."""

    def __init__(self, job: Job) -> None:
        from geovec_data.build.checks import CheckOptions
        from geovec_data.tasks import get_task

        self.job = job
        self.checks = CheckOptions.model_validate(job.checks)
        self.reader = make_reader(job)
        self.tasks = [get_task(t)() for t in job.tasks]
        self._shared: str | None = None
        self._digests = FileDigests()
        self._rendered: set[str] = set()  # files whose image is not the file's own bytes

    def scenes(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Yield the entry's checked and described scenes, and what was refused on the way."""
        from geovec_data.build.checks import check

        for read in self._cut(self._read(entry)):
            if isinstance(read, Reject):
                yield read
                continue
            if read.data is not None:
                self._rendered.add(read.path)
            scene, rejects = check(self._named(read), self.job.root, self.checks)
            yield from rejects
            if scene is not None:
                yield self._describe(scene)

    def _read(self, entry: Entry) -> Iterator[Scene | Reject]:
        try:
            yield from self.reader.read(entry)
        except Exception as error:  # a fault of the reader: its traceback alone would not say at which file
            error.add_note(f"while the reader {self.job.reader} read {entry.key} of {self.job.corpus}")
            raise

    def _named(self, scene: Scene) -> Scene:
        """Name the published image a scene comes from, alike in all corpora that share it."""
        return scene if scene.origin else replace(scene, origin=origin_of(scene, self.job.origins))

    def _cut(self, read: Iterable[Scene | Reject]) -> Iterator[Scene | Reject]:
        if self.job.chip is None:
            yield from read
            return
        from geovec_data.build.chips import ChipOptions, cut

        options = ChipOptions.model_validate(self.job.chip)
        for scene in read:
            if isinstance(scene, Reject):
                yield scene
            else:
                yield from cut(scene, self.job.root, options, self.checks)

    def _describe(self, scene: Scene) -> Scene:
        if scene.survey is not None:
            from geovec_data.osm.speak import speak

            job = self.job
            return speak(scene, expressions=job.expressions, captions=job.captions, questions=job.questions)
        if self.job.expressions and any(not r.expressions for r in scene.regions):
            from geovec_data.expressions import synthesise
            from geovec_data.render import decode_image

            assert scene.data is not None
            scene = synthesise(scene, decode_image(scene.data), seed_key=scene.image_id)
        if self.job.captions and not scene.captions:
            from geovec_data.expressions.captions import synthesise_captions

            scene = synthesise_captions(scene)
        return scene

    def run(self, unit: Unit) -> UnitRecord:
        """Process one unit into ``staging/<unit>``; returns its record."""
        final = self.job.staging / unit.name
        work = self.job.staging / f".{unit.name}.{socket.gethostname()}.{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        emitter = Emitter(self.job.corpus, {t.name: len(t.instructions) for t in self.tasks})
        known: dict[str, str] = {}
        self._rendered.clear()
        scenes = 0
        with ShardWriter(work / "images.parquet", "images") as writer:
            images = ImageRows(writer)
            for entry in unit.entries:
                for out in self.scenes(entry):
                    if isinstance(out, Reject):
                        emitter.reject(out)
                        continue
                    scenes += 1
                    if out.window is None and out.path not in self._rendered:
                        known[out.path] = out.image_id
                    assert out.data is not None
                    images.add(self._image_row(out), out.data)
                    self._emit(out, emitter)
            images.flush()
        images_shard = writer.shard("")
        files = {"images": (images_shard.rows, images_shard.bytes, images_shard.sha256)}
        for name, columns in emitter.tables.items():
            files[name] = _write_arrow(work / staged_name(name), sorted_rows(columns.take(), name))
        record = UnitRecord(unit.name, unit.stat, self.content(unit, known), files, {"scenes": scenes})
        (work / "unit.json").write_text(json.dumps(asdict(record)), encoding="utf-8")
        _put_in_place(work, final)
        return record

    def _emit(self, scene: Scene, emitter: Emitter) -> None:
        emitter.next_scene()
        emitter.tables["thumbs"].add(scene.image_id, scene.thumb)
        regions = emitter.regions(scene)
        by_box: dict[Box, str] = {r.box: i for r, i in zip(scene.regions, regions, strict=True)}
        key = ids.digest("scene", scene.origin)
        for task in self.tasks:
            for draft in task.drafts(scene):
                emitter.example(scene, draft, regions, by_box, key)
            for candidate, pool_key in task.pool(scene):
                emitter.candidate(type(task), scene.image_id, candidate, pool_key, by_box)

    def _image_row(self, s: Scene) -> tuple[Any, ...]:
        return (
            s.image_id, s.format, s.width, s.height, s.phash, s.corpus, s.key, s.path, s.parent or s.key,
            s.origin, s.window, s.scene_class, s.labels, pairs(s.attributes), pairs(s.places, ordered=True),
            s.captions, s.split, s.licence or self.job.licence,
            s.attribution or self.job.attribution, s.captured, s.crs,
            s.transform, wkb_polygon(s.footprint), s.lon, s.lat, s.gsd, s.synthetic,
        )  # fmt: skip

    def content(self, unit: Unit, known: dict[str, str] | None = None) -> str:
        """Hash the unit's keys, payloads and file contents; `known` spares files that were just hashed."""
        known = known or {}
        if self._shared is None:
            self._shared = ids.digest(*(file_digest(p) for p in self.reader.shared()))
        parts: list[str] = [unit.recipe, self._shared]
        for entry in unit.entries:
            parts += [entry.key, json.dumps(entry.payload, sort_keys=True, default=str)]
            for f in entry.files:
                parts += [f, known.get(f) or self._digests.of(self.job.root / f)]
        return ids.digest(*parts)


def _put_in_place(work: Path, final: Path) -> None:
    """Give a whole unit its name. A machine thought dead can finish the same unit: equal input, equal bytes."""
    for _ in range(3):
        if final.exists():
            old = work.with_name(work.name + ".old")
            with suppress(FileNotFoundError):
                final.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        try:
            work.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
    raise FileExistsError(errno.EEXIST, "another process puts the same unit in place again and again", str(final))


def _write_arrow(path: Path, table: pa.Table) -> tuple[int, int, str]:
    """Write a small staged table; returns rows and bytes (its hash is the dataset's business, not staging's)."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return table.num_rows, path.stat().st_size, ""
