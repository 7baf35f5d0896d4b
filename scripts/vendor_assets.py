"""Fetches the console's few browser libraries from the npm registry into app/console/static/vendor, by exact pins.

Run it after changing a pin: `python scripts/vendor_assets.py`. What it writes is committed, so that a checkout serves
the console without npm and without a network.
"""

import base64
import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

PLACE = Path(__file__).parent.parent / "app" / "console" / "static" / "vendor"
REGISTRY = "https://registry.npmjs.org"


class Asset(NamedTuple):
    """A package's version, its integrity as the registry states it, and the members to keep by the names they get."""

    package: str
    version: str
    integrity: str
    members: dict[str, str]


ASSETS = (
    Asset(
        "htmx.org",
        "2.0.10",
        "sha512-kdeJe7ZVwaS6QMz/ebBIVtZdpwen6L0OQ5GOhPV9MKBb196TCZeZu4yA7ZIQsaLKv7EpXz+So7KSXNuHXhj7Cw==",
        {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"},
    ),
    Asset(
        "@picocss/pico",
        "2.1.1",
        "sha512-kIDugA7Ps4U+2BHxiNHmvgPIQDWPDU4IeU6TNRdvXQM1uZX+FibqDQT2xUOnnO2yq/LUHcwnGlu1hvf4KfXnMg==",
        {"css/pico.min.css": "pico.min.css", "LICENSE.md": "pico.LICENSE"},
    ),
)


def fetch(asset: Asset) -> bytes:
    """Returns the package's archive; raises ValueError where it is not what the pin says."""
    name = asset.package.rpartition("/")[2]
    address = f"{REGISTRY}/{asset.package}/-/{name}-{asset.version}.tgz"
    with urllib.request.urlopen(address, timeout=60) as answer:
        archive: bytes = answer.read()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != asset.integrity:
        raise ValueError(f"{address}: its integrity is {found}, the pin says {asset.integrity}")
    return archive


def main() -> None:
    """Writes every member of every asset."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for asset in ASSETS:
        with tarfile.open(fileobj=io.BytesIO(fetch(asset))) as archive:
            for member, name in asset.members.items():
                file = archive.extractfile(f"package/{member}")
                assert file is not None, member
                (PLACE / name).write_bytes(file.read())
                print(f"{asset.package} {asset.version}: {name}")


if __name__ == "__main__":
    main()
