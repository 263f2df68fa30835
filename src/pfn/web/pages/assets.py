"""The pages' own files: few and small, held in memory, named by their content and so kept by browsers for good."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Response

from pfn.protocol.errors import Code, PfnError

router = APIRouter(include_in_schema=False)

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and the address it has for as long as its bytes stay the same."""

    url: str
    content: bytes
    media_type: str


def _load() -> dict[str, Asset]:
    assets = {}
    for file in files("pfn.web").joinpath("static").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in _TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            assets[file.name] = Asset(f"/static/{digest}/{file.name}", content, _TYPES[suffix])
    return assets


_ASSETS = _load()
_BY_URL = {asset.url: asset for asset in _ASSETS.values()}


def asset_url(name: str) -> str:
    """Give the address of a file by its name."""
    return _ASSETS[name].url


@router.get("/static/{digest}/{name}")
async def send_asset(digest: str, name: str) -> Response:
    """Send a file. Raises PfnError (``not_found``)."""
    asset = _BY_URL.get(f"/static/{digest}/{name}")
    if asset is None:
        raise PfnError(Code.NOT_FOUND, "There is no such file here.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset.content, media_type=asset.media_type, headers=headers)
