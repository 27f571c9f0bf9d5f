"""Class folders: one folder a class, images beneath (UC Merced, RESISC45, AID, EuroSAT, PatternNet, …)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NoReturn

from pydantic import Field, field_validator

from geovec_data.errors import UserError
from geovec_data.rasters.formats import Unreadable
from geovec_data.rasters.georef import NoGeoreference, sidecars
from geovec_data.readers._images import check_patterns, placed, wrong_layout
from geovec_data.readers._names import in_words, squeezed
from geovec_data.readers._rendered import render
from geovec_data.readers._splits import image_splits
from geovec_data.readers.base import Entry, Reader, ReaderOptions
from geovec_data.records import Reject, Scene
from geovec_data.untrusted.images import EXTENSIONS, BadImage, confine

PLAIN = {"images", "image", "imgs", "img", "jpegimages"}  # folders that only hold files: the class is above
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NUMBERED = re.compile(r"(.*[^\W\d_])[-_ ]*\(?\d+\)?")


class ClassFoldersOptions(ReaderOptions):
    """Options of the reader `class_folders`."""

    folder: str = Field(
        ".", description="folder below the root in which the class folders are looked for, at any depth"
    )
    extensions: tuple[str, ...] = Field(EXTENSIONS, description="which files are images, e.g. [.tif]")
    class_from: Literal["folder", "filename"] = Field(
        "folder", description="filename: images lie together and are called class and number, e.g. airport_12.jpg"
    )
    class_names: tuple[str, ...] = Field(
        (), description="all classes, however folders spell them (BareLand, bare_land, bareland); empty: any folder"
    )
    renamed: dict[str, str] = Field({}, description="classes whose folders have another name, e.g. {SeaLake: lake}")
    split_files: dict[str, str] = Field(
        {}, description="split → list of its images, as lines or CSV; read for split=official only"
    )
    bands: tuple[int, int, int] | None = Field(
        None, description="show these bands of GeoTIFFs as red, green, blue, from 1; null: the files' own bytes"
    )
    stretch: tuple[float, float] | None = Field(
        None, description="with bands: the values that become 0 and 255; null: each band's 2nd and 98th percentile"
    )
    georeference: bool = Field(False, description="take the position from GeoTIFF tags of images that have them")
    official_split: bool = Field(False, description="read the official split (split=official sets it)")

    @field_validator("stretch")
    @classmethod
    def _rising(cls, stretch: tuple[float, float] | None) -> tuple[float, float] | None:
        if stretch is not None and not stretch[0] < stretch[1]:
            raise ValueError("give the lower value first")
        return stretch


class ClassFolders(Reader):
    """Reads images whose class is the name of the folder they lie in.

    Layout: as of torchvision's ``ImageFolder``, in which the corpora of scene classification are published. A folder
    of a split above or below the class (``train/airport``) tells the split; ``images`` folders are looked through.
    """

    name = "class_folders"
    layout = """\
<root>/
  airport/airport_001.jpg            one folder a class, at any depth: NWPU-RESISC45/airport/, Images/airport/
  train/airport/airport_001.jpg      or by split: train/ val/ test/
  train.txt val.txt test.txt         lists of images, where reader.split_files names them; for split=official only"""
    Options = ClassFoldersOptions
    options: ClassFoldersOptions

    def __init__(self, root: Path, options: Any, corpus: str) -> None:
        super().__init__(root, options, corpus)
        self._names = {squeezed(name): name for name in self.options.class_names}
        self._names |= {squeezed(folder): name for folder, name in self.options.renamed.items()}

    def entries(self) -> Iterator[Entry]:
        """List one entry per image; see `Reader.entries`.

        Raises:
            UserError: no image in a class folder; class folders in several places; no official split to read.
        """
        opts = self.options
        check_patterns("reader.folder", [opts.folder])
        check_patterns("reader.split_files", list(opts.split_files.values()))
        images, links = self._walk()
        labelled = {path: self._label(path) for path in images}
        if not any(labelled.values()):
            named = f" called {', '.join(opts.class_names[:3])} …" if opts.class_names else ""
            wanted = f"folder{named} with {' '.join(opts.extensions)} images"
            raise wrong_layout(self.root / opts.folder, wanted, self.layout)
        if opts.class_from == "folder":
            self._check_one_place([p for p in images if labelled[p]])
        splits = self._splits(images)
        for path in images:
            beside = sidecars(path) if opts.georeference else ()
            yield Entry(path, (path, *beside), {"class": labelled[path], "split": splits.get(path)})
        for link in links:
            yield Entry(link, (), {"link": True})

    def _walk(self) -> tuple[list[str], list[str]]:
        """List the image files, and the linked folders that are not followed; source-relative, sorted."""
        images, links = [], []
        top = self.root / self.options.folder
        for folder, folders, files in os.walk(top, onerror=_unlistable):
            base = PurePosixPath(Path(folder).relative_to(self.root).as_posix())
            folders[:] = [f for f in folders if not f.startswith((".", "__MACOSX"))]
            links += [(base / f).as_posix() for f in folders if (Path(folder) / f).is_symlink()]
            images += [
                (base / f).as_posix()
                for f in files
                if f.lower().endswith(self.options.extensions) and not f.startswith(".")
            ]
        return sorted(images), sorted(links)

    def _label(self, path: str) -> str | None:
        """Return the class's name, or None."""
        if self.options.class_from == "filename":
            match = _NUMBERED.fullmatch(PurePosixPath(path).stem)
            raw = match[1] if match else ""
        else:
            raw = ["", *self._named_folders(path)][-1]
        known = self._names.get(squeezed(raw))
        return known or (None if self.options.class_names else in_words(raw) or None)

    def _named_folders(self, path: str) -> list[str]:
        return [f for f in self._folders(path) if f.lower() not in PLAIN and f.lower() not in SPLITS]

    def _folders(self, path: str) -> Sequence[str]:
        return PurePosixPath(path).relative_to(PurePosixPath(self.options.folder)).parts[:-1]

    def _check_one_place(self, images: list[str]) -> None:
        """Refuse class folders in two places: ``EuroSAT_RGB/`` beside ``EuroSAT_MS/`` would be one corpus twice."""
        places: dict[tuple[str, ...], str] = {}
        for path in images:
            places.setdefault(tuple(self._named_folders(path)[:-1]), path)
        if len(places) > 1:
            (_, a), (_, b) = sorted(places.items())[:2]
            raise UserError(
                f"{self.root} has class folders in {len(places)} places, e.g. {a} and {b};"
                " choose one with reader.folder=…"
            )

    def _splits(self, images: list[str]) -> dict[str, str]:
        opts = self.options
        folders = {p: next((SPLITS[f.lower()] for f in self._folders(p) if f.lower() in SPLITS), None) for p in images}
        told = {path: split for path, split in folders.items() if split}
        if not opts.official_split or told:
            return told
        if not opts.split_files:
            raise UserError(
                f"{self.root} has no folders train/, val/, test/, and this corpus has no official split; use"
                " split=image, or name lists of images: 'reader.split_files={train: train.txt, test: test.txt}'"
            )
        return image_splits(self.root, images, opts.split_files)

    def read(self, entry: Entry) -> Iterator[Scene | Reject]:
        """Turn an image into a scene; see `Reader.read`."""
        record = entry.payload
        if "link" in record:
            yield self._reject(entry, "unsafe_path", "the folder is a symbolic link, which is not followed")
            return
        if record["class"] is None:
            what = "folder" if self.options.class_from == "folder" else "name"
            yield self._reject(entry, "no_label", f"its {what} names no class of the corpus")
            return
        scene = Scene(
            key=entry.key, corpus=self.corpus, path=entry.key, scene_class=record["class"], split=record["split"]
        )
        try:
            yield self._shown(scene)
        except (BadImage, Unreadable) as error:
            yield self._reject(entry, error.code if isinstance(error, BadImage) else "unreadable_image", str(error))

    def _shown(self, scene: Scene) -> Scene:
        """Add picture and position, where the options ask for them."""
        opts = self.options
        if opts.bands is None and not opts.georeference:
            return scene
        path = confine(self.root, scene.path)
        if opts.georeference and path.is_file():
            with suppress(NoGeoreference):  # a scene without a position keeps its class
                scene = replace(scene, **placed(path, scene.path))
        if opts.bands is not None and path.is_file():
            shown = render([(path, band) for band in opts.bands], opts.stretch)
            said = f"bands {', '.join(map(str, opts.bands))}: {shown.said}"
            scene = replace(scene, data=shown.data, attributes=(("rendering", said),))
        return scene

    def _reject(self, entry: Entry, code: str, detail: str) -> Reject:
        return Reject(corpus=self.corpus, path=entry.key, stage="read", code=code, detail=detail)


def _unlistable(error: OSError) -> NoReturn:
    raise UserError(f"the folder {error.filename} cannot be listed: {error.strerror}") from error
