"""OSM labels of a place or a bounding box over the network: osmnx finds the place, an Overpass server sends the map.

The reply is kept in the cache as the ``.osm`` file that it is (https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL,
``out meta``), so that everything after is as with an extract: versions, holes, broken rings, the date of the map
(``osm_base``), the extent (``bounds``). osmnx's own download of features would lose the first, third and fourth.
A place is fetched once; its file is used until it is deleted, so that a dataset does not change from day to day.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import math
import os
import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from geovec_data.errors import ResourceFault, UserError
from geovec_data.osm.tags import KEYS

LARGEST_KM2 = 2500.0  # osmnx asks for no more at once either; above it, an extract is the better source
TIMEOUT = 180  # seconds

Bounds = tuple[float, float, float, float]

_CHUNK = 1 << 20
_TAIL = 4096
_REMARK = re.compile(rb"<remark>\s*(.*?)\s*</remark>", re.DOTALL)
_BASE = re.compile(rb'osm_base="([^"]+)"')
_OTHERS = (
    "Labels can also be a file: an extract from https://download.geofabrik.de (cut out with `osmium extract`), an"
    " export of https://export.hotosm.org, or data saved at https://overpass-turbo.eu"
)
_log = logging.getLogger(__name__)


def fetch_labels(labels: Path, cache: Path) -> Path:
    """Return the ``.osm`` file of ``place:<name>`` or ``bbox:<west>,<south>,<east>,<north>``, fetched or cached.

    Servers are osmnx's (``osmnx.settings``), or those that GEOVEC_OVERPASS_URL and GEOVEC_NOMINATIM_URL name.

    Raises:
        UserError: when the place is unknown, the box is wrong or too large, or a server cannot be reached or refuses.
        ResourceFault: when the cache cannot be written.
    """
    text = str(labels)
    kind, _, what = text.partition(":")
    folder = cache / "overpass"
    name = re.sub(r"[^\w.-]+", "_", what).strip("_")[:60]
    file = folder / f"{kind}-{name}-{hashlib.sha256(f'{text} {KEYS}'.encode()).hexdigest()[:12]}.osm"
    if not file.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            settings = _settings(folder)
            bounds = _parsed(what, text) if kind == "bbox" else _geocoded(what.strip(), text)
            _check_size(bounds, text)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work:
                _download(settings.overpass_url, _query(bounds), Path(work) / "reply.osm", text)
                (Path(work) / "reply.osm").replace(file)
        except OSError as error:
            raise ResourceFault(f"cannot write to {folder} ({error}); set GEOVEC_CACHE to another folder") from error
    with file.open("rb") as opened:
        base = _BASE.search(opened.read(_TAIL))
    _log.info(
        "source.labels=%s: the map of %s, kept as %s; delete that file to fetch it anew",
        text, base[1].decode() if base else "an unknown date", file,
    )  # fmt: skip
    return file


def _settings(folder: Path) -> Any:
    import osmnx

    settings = osmnx.settings
    settings.cache_folder = str(folder / "nominatim")
    for name in ("overpass_url", "nominatim_url"):
        if own := os.environ.get(f"GEOVEC_{name.upper()}"):
            setattr(settings, name, own)
    return settings


def _parsed(what: str, text: str) -> Bounds:
    try:
        west, south, east, north = (float(v) for v in what.split(","))
    except ValueError:
        raise UserError(f"source.labels={text}: write bbox:<west>,<south>,<east>,<north> in degrees") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise UserError(
            f"source.labels={text}: west must be less than east and south less than north, longitudes within ±180 and"
            " latitudes within ±90. A box over the antimeridian is two boxes: fetch each and give their folder"
        )
    return west, south, east, north


def _geocoded(place: str, text: str) -> Bounds:
    """Ask Nominatim, through osmnx, for the bounds of a place that has an area."""
    import osmnx
    import requests

    try:
        frame = osmnx.geocode_to_gdf(place)
    except requests.RequestException as error:
        raise UserError(_unreachable(text, osmnx.settings.nominatim_url, type(error).__name__)) from error
    except (osmnx._errors.InsufficientResponseError, osmnx._errors.ResponseStatusCodeError, TypeError) as error:
        raise UserError(
            f"source.labels={text}: Nominatim knows no such place with an area ({str(error)[:200]}). Write it as on"
            f" https://nominatim.openstreetmap.org, or give bbox:<west>,<south>,<east>,<north>. {_OTHERS}"
        ) from error
    west, south, east, north = (round(float(v), 7) for v in frame.total_bounds)
    return west, south, east, north


def _check_size(bounds: Bounds, text: str) -> None:
    west, south, east, north = bounds
    height = (north - south) * 111.195
    width = (east - west) * 111.195 * math.cos(math.radians((south + north) / 2))
    if height * width > LARGEST_KM2:
        raise UserError(
            f"source.labels={text} is {height * width:,.0f} km² ({west},{south},{east},{north}); over the network at"
            f" most {LARGEST_KM2:,.0f} km² are fetched. {_OTHERS}"
        )


def _query(bounds: Bounds) -> str:
    """Ask for all objects with a key of the table, and what they are made of; with bounds in the header."""
    west, south, east, north = bounds
    keys = "".join(f'nwr["{key}"];' for key in (*KEYS, "boundary", "place"))
    return f"[out:xml][timeout:{TIMEOUT}][bbox:{south},{west},{north},{east}];({keys});(._;>;);out meta;"


def _download(url: str, query: str, target: Path, text: str) -> None:
    """Stream the reply to a file and check that it is whole.

    Raises:
        UserError: when it is not, or there is none.
    """
    address = f"{url.rstrip('/')}/interpreter"
    data = urllib.parse.urlencode({"data": query}).encode()
    request = urllib.request.Request(address, data, {"User-Agent": "GeoVec (training data from OpenStreetMap)"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT + 20) as reply, target.open("wb") as file:
            while chunk := reply.read(_CHUNK):
                file.write(chunk)
    except urllib.error.HTTPError as error:
        busy = "; it is busy, try again later" if error.code in (429, 504) else ""
        raise UserError(
            f"source.labels={text}: {address} answers {error.code} {error.reason}{busy}. {_OTHERS}"
        ) from error
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise UserError(_unreachable(text, address, str(getattr(error, "reason", error)))) from error
    with target.open("rb") as file:
        file.seek(max(0, target.stat().st_size - _TAIL))
        tail = file.read()
    if remark := _REMARK.search(tail):  # the server gave up half way, and says so with status 200
        raise UserError(f"source.labels={text}: {address} could not answer: {remark[1].decode()[:300]}. {_OTHERS}")
    if not tail.rstrip().endswith(b"</osm>"):
        raise UserError(
            f"source.labels={text}: the reply of {address} is cut short or no OSM data. Try again. {_OTHERS}"
        )


def _unreachable(text: str, address: str, why: str) -> str:
    return f"source.labels={text} needs the network, and {address} cannot be reached ({why}). {_OTHERS}"
