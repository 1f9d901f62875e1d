"""One zip for one finding: all that a stranger needs, with a manifest of hashes, bit-identical when made again.

A bundle is read without being unpacked. A name that leaves its folder, a file that the manifest does not list, one
whose hash is wrong, and an archive that would grow beyond all measure are refused in one line.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

from harness.finding import Finding, FindingError, read_finding
from harness.report.markdown import finding_markdown
from harness.report.pages import Material, finding_page
from harness.report.standalone import standalone_script
from harness.schemas import published, schema_name

MANIFEST = "MANIFEST.json"
_FORMAT = 1
_MOST_FILES, _MOST_BYTES = 2_000, 64_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
# Zip knows no earlier time; a fixed one keeps the bundle bit-identical.
_TIME = (1980, 1, 1, 0, 0, 0)

_README = """\
Finding {id}: {name}, {verdict}.

{lead}

To check it without us:          python replay.py            (needs NumPy, or for one-step claims nothing at all)
To check it with clipbounds:     clipbounds replay FINDING.json
To read it:                      finding.html, or finding.md
The file's format:               {schema} (JSON Schema)
What the solvers were asked:     queries/*.smt2 (SMT-LIB; `unsat` shows an obligation)
Hashes of all files:             MANIFEST.json (SHA-256)
"""


def finding_files(finding: Finding, queries: Mapping[str, str], material: Material | None = None) -> dict[str, str]:
    """The texts of a bundle by name, without its manifest.

    Args:
        finding: the finding.
        queries: SMT-LIB texts by their path inside a report (``queries/STATEMENT/...``); those of other statements are
            left out.
        material: of the finding's page, where it was made already.
    """
    from harness.report.words import lead

    schema = schema_name(finding.schema_version)
    prefix = f"queries/{finding.statement.name}/"
    about = {"id": finding.id, "name": finding.statement.name, "verdict": finding.verdict, "lead": lead(finding)}
    return {
        "README.txt": _README.format(schema=schema, **about),
        "FINDING.json": finding.text(),
        "replay.py": standalone_script(finding),
        "finding.html": finding_page(finding, links=None, material=material),
        "finding.md": finding_markdown(finding),
        schema: published(finding.schema_version),
        **{f"queries/{path.removeprefix(prefix)}": t for path, t in sorted(queries.items()) if path.startswith(prefix)},
    }


def bundle(finding: Finding, queries: Mapping[str, str], material: Material | None = None) -> bytes:
    """The zip of a finding, as :func:`finding_files` fills it."""
    files = {name: text.encode() for name, text in finding_files(finding, queries, material).items()}
    files[MANIFEST] = _manifest(finding.id, files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def load_bundle(path: str | Path) -> Finding:
    """The finding of a bundle, after the hash of every file in it was verified.

    Raises:
        FindingError: one line, for a file that is no bundle, or one that was changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = _checked(archive, str(path))
    except FileNotFoundError:
        raise FindingError(f"{path}: no such file") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, FindingError):
            raise
        raise FindingError(f"{path}: no zip that can be read: {' '.join(str(error).split())}") from None
    if "FINDING.json" not in files:
        raise FindingError(f"{path}: FINDING.json is missing, so this is no finding")
    place = f"{path}: FINDING.json"
    try:
        return read_finding(files["FINDING.json"].decode(), place)
    except UnicodeDecodeError as error:
        raise FindingError(f"{place}: cannot be read: {error}") from None


def _manifest(identity: str, files: Mapping[str, bytes]) -> bytes:
    listed = {name: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for name, d in sorted(files.items())}
    content = {"format": _FORMAT, "finding": identity, "files": listed}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _checked(archive: zipfile.ZipFile, path: str) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise FindingError(f"{path}: holds more than {_MOST_FILES} files or {_MOST_BYTES} bytes, which no finding does")
    for entry in entries:
        if not _NAME.fullmatch(entry.filename):
            raise FindingError(f"{path}: {entry.filename[:80]!r} is no name of a file of a finding")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise FindingError(f"{path}: holds a file twice")
    files = {entry.filename: archive.read(entry) for entry in entries}
    try:
        manifest = json.loads(files.pop(MANIFEST))
        listed = {str(name): str(about["sha256"]) for name, about in manifest["files"].items()}
        version = manifest["format"]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise FindingError(f"{path}: {MANIFEST} is missing or malformed") from None
    if version != _FORMAT:
        raise FindingError(f"{path}: {MANIFEST}: format {str(version)[:20]} is not the {_FORMAT} that is read here")
    for name in sorted(listed.keys() | files.keys()):
        if name not in files:
            raise FindingError(f"{path}: {name[:80]!r} is in the manifest but not in the archive")
        if name not in listed:
            raise FindingError(f"{path}: {name[:80]!r} is in the archive but not in the manifest")
        if hashlib.sha256(files[name]).hexdigest() != listed[name]:
            raise FindingError(f"{path}: {name[:80]!r} does not have the hash of the manifest: it was changed")
    return files


__all__ = ["MANIFEST", "bundle", "finding_files", "load_bundle"]
