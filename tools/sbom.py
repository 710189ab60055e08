#!/usr/bin/env python3
"""The software bill of materials of a cxr binary, as CycloneDX 1.5 JSON on standard output.

    tools/sbom.py --target TRIPLE > cxr.cdx.json

Components are the crates whose code is in the program, as in THIRD-PARTY.md (`cargo metadata`, with the digests of
Cargo.lock), the C libraries that some of them bring along, and the models inside. The same source gives the same bytes:
the time is SOURCE_DATE_EPOCH, and the serial number is made of the content. Only the standard library of Python.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
# C that crates bring along: the crate, the library, its licence, and the place in the source of the crate that
# states its version.
C_LIBRARIES = [
    ("libsqlite3-sys", "sqlite", "blessing", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([0-9.]+)"'),
    ("libwebp-sys", "libwebp", "BSD-3-Clause", "vendor/README.md", r"/v([0-9]+\.[0-9]+\.[0-9]+)"),
]


def metadata(target):
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def linked(data):
    """The packages whose code is in the program, and for each the ones that it calls: no build dependencies, no
    tests, no procedural macros."""
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = data["resolve"]["root"]
    calls, waiting = {}, [root]
    while waiting:
        name = waiting.pop()
        if name in calls:
            continue
        normal = [d["pkg"] for d in nodes[name]["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
        calls[name] = sorted({p for p in normal if not is_macro(packages[p])})
        waiting.extend(calls[name])
    return packages, root, calls


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licences(package):
    """As SPDX. Old crates write a slash for OR, and one crate states its licence only in a file."""
    stated = package["license"] or {"icy_sixel": "MIT"}[package["name"]]
    return [{"expression": " OR ".join(part.strip() for part in stated.split("/"))}]


def crate(package, digests):
    component = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "licenses": licences(package),
        "purl": purl(package),
    }
    digest = digests.get((package["name"], package["version"]))
    if digest:
        component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return component


def c_library(package, name, licence, file, stated):
    """A C library in the source of a crate."""
    text = (pathlib.Path(package["manifest_path"]).parent / file).read_text(errors="replace")
    version = re.search(stated, text).group(1)
    return {
        "type": "library",
        "bom-ref": f"pkg:generic/{name}@{version}",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": licence}}],
        "purl": f"pkg:generic/{name}@{version}",
        "description": f"C source within the crate {package['name']}",
    }


def model(card_path):
    card = tomllib.loads(card_path.read_text())
    weights = card_path.with_suffix(".safetensors")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{weights.stem}",
        "name": weights.stem,
        "version": str(card.get("version", digest[:16])),
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"name": card["licence"]}}],
    }


def bill(target):
    packages, root, calls = linked(metadata(target))
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    digests = {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}
    by_name = {packages[i]["name"]: packages[i] for i in calls}
    c_parts = {name: c_library(by_name[name], *rest) for name, *rest in C_LIBRARIES}
    models = [model(path) for path in sorted((ROOT / "weights").glob("*.toml"))]

    crates = sorted((packages[i] for i in calls if i != root), key=lambda p: (p["name"], p["version"]))
    dependencies = []
    for name, called in calls.items():
        refs = [purl(packages[i]) for i in called]
        refs += [part["bom-ref"] for crate_name, part in c_parts.items() if crate_name == packages[name]["name"]]
        if name == root:
            refs += [part["bom-ref"] for part in models]
        dependencies.append({"ref": purl(packages[name]), "dependsOn": sorted(refs)})
    dependencies.sort(key=lambda entry: entry["ref"])

    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    application = crate(packages[root], digests)
    application["type"] = "application"
    application["properties"] = [{"name": "cxr:target", "value": target}]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": application},
        "components": [crate(p, digests) for p in crates] + list(c_parts.values()) + models,
        "dependencies": dependencies,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return {**content, "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="the platform, as rustc names it")
    print(json.dumps(bill(parser.parse_args().target), indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
