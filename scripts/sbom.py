"""What the service is made of, as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/).

It is read from `requirements/runtime.txt`, which is what gets installed: each package with its version, the hashes of
its files, and what it is needed by. The same lock file gives the same bytes. Needs nothing but Python.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "runtime.txt"
_PACKAGE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^ ;\\]+)")
_VIA = re.compile(r"^ +# +(?:via +)?(?!via$)(?P<name>-r \S+|[A-Za-z0-9._-]+)(?:\[[^\]]*\])?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def sbom(lock: str, version: str) -> dict[str, Any]:
    """The document of a lock file's text, for this version of the service."""
    ours = f"pkg:generic/countersign@{version}"
    packages = list(_packages(lock))
    refs = {name: f"pkg:pypi/{name}@{found}" for name, found, _, _ in packages}
    needs: dict[str, list[str]] = {ours: [], **{ref: [] for ref in refs.values()}}
    for name, _, _, via in packages:
        for user in via:  # a package, or a file of ours
            needs[refs.get(user, ours)].append(refs[name])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=sha256(lock.encode()).digest()[:16], version=4)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "countersign",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(name, found, hashes) for name, found, hashes, _ in packages],
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(needed))} for ref, needed in needs.items()],
    }


def _packages(lock: str) -> list[tuple[str, str, list[str], list[str]]]:
    """Name, version, hashes and users of each package; a user that is no package is a file of ours."""
    found: list[tuple[str, str, list[str], list[str]]] = []
    for line in lock.splitlines():
        package, via = _PACKAGE.match(line), _VIA.match(line)
        if package is not None:
            found.append((package["name"].lower(), package["version"], [], []))
        elif via is not None:
            found[-1][3].append(via["name"].lower())
        if found:
            found[-1][2].extend(_HASH.findall(line))
    return found


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    """A package; the hashes are of its files, of which one is installed."""
    ref = f"pkg:pypi/{name}@{version}"
    digests = [{"alg": "SHA-256", "content": each} for each in sorted(set(hashes))]
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref, "hashes": digests}


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    json.dump(sbom(LOCK.read_text(), project["version"]), sys.stdout, indent=1)
    sys.stdout.write("\n")
