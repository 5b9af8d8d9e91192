"""``sbom.py ROOT LOCK PREFIX``: what a root is made of -> PREFIX.cdx.json and PREFIX.spdx.json.

CycloneDX and SPDX, each one document: Debian's packages from the root's dpkg database, the manager,
its Python libraries and front-end files. The same root and SOURCE_DATE_EPOCH give the same bytes.
Both documents are held against their standard before they are written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from parts import Part, PartError, manager_folder, manager_version, npm_parts, python_parts
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

Document = dict[str, Any]

CYCLONEDX = "1.6"
_NO_SERIAL = "00000000-0000-4000-8000-000000000000"
_NAMESPACE = "https://spdx.org/spdxdocs/"
_LICENSES = get_spdx_licensing()
_ROOT = "Bornier"
"""Name that both documents give to the whole."""


def debian_documents(root: Path, version: str, moment: str) -> tuple[Document, Document]:
    """CycloneDX and SPDX of the Debian packages.

    Only the dpkg database is shown to the tool: apt's state could tell where packages came from.
    """
    with tempfile.TemporaryDirectory() as folder:
        bare, prefix = Path(folder, "root"), Path(folder, "sbom")
        (bare / "var/lib").mkdir(parents=True)
        (bare / "var/lib/dpkg").symlink_to(root.resolve() / "var/lib/dpkg")
        _debsbom(
            *("generate", "--root", str(bare), "--out", str(prefix), "-t", "cdx", "-t", "spdx"),
            *("--distro-name", _ROOT, "--distro-version", version),
            *("--distro-supplier", _ROOT, "--distro-arch", "amd64"),
            *("--timestamp", moment, "--spdx-namespace", f"{_NAMESPACE}{_ROOT}"),
            *("--cdx-serialnumber", _NO_SERIAL, "--cdx-schema-version", CYCLONEDX),
        )
        cyclonedx = json.loads(prefix.with_name("sbom.cdx.json").read_text())
        spdx = json.loads(prefix.with_name("sbom.spdx.json").read_text())
    return cyclonedx, spdx


def _debsbom(*arguments: str) -> None:
    tool = Path(sys.executable).with_name("debsbom")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise PartError(f"debsbom: {done.stderr.strip()}")


def add_to_cyclonedx(document: Document, manager: Part, parts: list[Part]) -> None:
    """Joins the manager and its parts to the document, and orders it."""
    document["components"] += [_component(manager, "application")]
    document["components"] += [_component(part, "library") for part in parts]
    document["components"].sort(key=lambda each: each["bom-ref"])
    whole = document["metadata"]["component"]["bom-ref"]
    depends = {each["ref"]: set(each.get("dependsOn", ())) for each in document["dependencies"]}
    depends.setdefault(whole, set()).add(manager.purl)
    depends[manager.purl] = {part.purl for part in parts}
    for part in parts:
        depends[part.purl] = set()
    document["dependencies"] = [
        {"ref": ref, "dependsOn": sorted(others)} if others else {"ref": ref}
        for ref, others in sorted(depends.items())
    ]
    del document["serialNumber"]
    document["serialNumber"] = f"urn:uuid:{_identifier(document)}"


def _component(part: Part, kind: str) -> Document:
    component: Document = {
        "type": kind,
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.expression:
        component["licenses"] = [{"expression": part.expression}]
    elif part.license_name:
        component["licenses"] = [{"license": {"name": part.license_name}}]
    if part.homepage:
        component["externalReferences"] = [{"type": "website", "url": part.homepage}]
    if part.sha512:
        component["hashes"] = [{"alg": "SHA-512", "content": part.sha512}]
    return component


def add_to_spdx(document: Document, manager: Part, parts: list[Part]) -> None:
    """Joins the manager and its parts to the document, and orders it."""
    (whole,) = (
        each["relatedSpdxElement"]
        for each in document["relationships"]
        if each["relationshipType"] == "DESCRIBES"
    )
    document["packages"] += [_package(manager, "APPLICATION")]
    document["packages"] += [_package(part, "LIBRARY") for part in parts]
    document["packages"].sort(key=lambda each: each["SPDXID"])
    found = {tuple(sorted(each.items())) for each in document["relationships"]}
    found.add(_relation(_spdx_id(manager), "PACKAGE_OF", whole))
    found |= {_relation(_spdx_id(manager), "DEPENDS_ON", _spdx_id(part)) for part in parts}
    document["relationships"] = [dict(each) for each in sorted(found)]
    document["documentNamespace"] = f"{_NAMESPACE}bornier-{manager.version}-{_identifier(document)}"


def _package(part: Part, purpose: str) -> Document:
    package: Document = {
        "SPDXID": _spdx_id(part),
        "name": part.name,
        "versionInfo": part.version,
        "primaryPackagePurpose": purpose,
        "supplier": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": part.expression or "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE_MANAGER",
                "referenceType": "purl",
                "referenceLocator": part.purl,
            }
        ],
    }
    if part.license_name and not part.expression:
        package["licenseComments"] = part.license_name
    if part.homepage:
        package["homepage"] = part.homepage
    if part.sha512:
        package["checksums"] = [{"algorithm": "SHA512", "checksumValue": part.sha512}]
    return package


def _spdx_id(part: Part) -> str:
    kind = part.purl.removeprefix("pkg:").partition("/")[0]
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{part.name}-{part.version}")


def _relation(one: str, kind: str, other: str) -> tuple[tuple[str, str], ...]:
    relation = {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
    return tuple(sorted(relation.items()))


def _identifier(document: Document) -> uuid.UUID:
    """The same for the same content."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return uuid.uuid5(uuid.NAMESPACE_URL, f"bornier:{digest}")


def _plain(part: Part) -> Part:
    """An expression is one of SPDX's list, whatever the header it stood in; the rest are words."""
    told = part.expression or part.license_name
    if told and not _LICENSES.validate(told).errors:
        return part._replace(expression=told, license_name="")
    return part._replace(expression="", license_name=told)


def check_cyclonedx(text: str) -> None:
    """Raises ``PartError`` when the text does not follow the schema."""
    trouble = JsonStrictValidator(SchemaVersion.from_version(CYCLONEDX)).validate_str(text)
    if trouble is not None:
        raise PartError(f"CycloneDX: {trouble}")


def check_spdx(path: Path) -> None:
    """Raises ``PartError`` when the file does not follow the standard."""
    trouble = validate_full_spdx_document(parse_file(str(path)))
    if trouble:
        raise PartError(f"SPDX: {trouble[0].validation_message}")


def write(root: Path, lock_file: Path, prefix: Path, moment: datetime) -> int:
    """Makes both documents; the number of components. Raises ``PartError``."""
    folder = manager_folder(root)
    version = manager_version(folder)
    manager = Part(f"pkg:generic/bornier@{version}", "bornier", version, "Apache-2.0")
    parts = [_plain(each) for each in python_parts(folder / "lib")]
    parts += [_plain(each) for each in npm_parts(folder, lock_file)]
    cyclonedx, spdx = debian_documents(root, version, f"{moment:%Y-%m-%dT%H:%M:%SZ}")
    add_to_cyclonedx(cyclonedx, manager, parts)
    add_to_spdx(spdx, manager, parts)
    text = json.dumps(cyclonedx, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    check_cyclonedx(text)
    with tempfile.TemporaryDirectory() as drafts:
        draft = Path(drafts, "draft.spdx.json")
        draft.write_text(json.dumps(spdx, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        check_spdx(draft)
        Path(f"{prefix}.spdx.json").write_bytes(draft.read_bytes())
    Path(f"{prefix}.cdx.json").write_text(text)
    return len(cyclonedx["components"])


def main(arguments: list[str]) -> int:
    """Parses the command line; the exit status."""
    root, lock_file, prefix = (Path(each) for each in arguments)
    moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    try:
        count = write(root, lock_file, prefix, moment)
    except (PartError, OSError) as error:
        sys.stderr.write(f"sbom: {error}\n")
        return 1
    print(f"{count} components in {prefix.name}.cdx.json and {prefix.name}.spdx.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
