"""One zip for one finding, the published schemas, and the replay script where there is NumPy and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import time
import venv
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from harness import schemas
from harness.cli import main
from harness.finding import Finding, FindingError, load_finding
from harness.report.bundle import MANIFEST, bundle, load_bundle
from harness.report.standalone import MOST_LINES, standalone_script
from harness.schemas import generated, published

FIXTURES = Path(__file__).parent / "fixtures"
QUERIES = {
    "queries/false-bias/00-units.smt2": "(check-sat)\n",
    "queries/another/00-units.smt2": "(check-sat)\n",
}


def names(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def test_a_bundle_holds_everything_and_its_hashes(bias_finding: Finding, tmp_path: Path) -> None:
    data = bundle(bias_finding, QUERIES)
    files = names(data)
    assert set(files) == {
        MANIFEST, "README.txt", "FINDING.json", "replay.py", "finding.html", "finding.md", "finding-2.json",
        "queries/00-units.smt2",
    }  # fmt: skip
    listed = json.loads(files.pop(MANIFEST))["files"]
    assert {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} == {
        name: about["sha256"] for name, about in listed.items()
    }
    assert bundle(bias_finding, QUERIES) == data
    assert len(data) < 1_000_000
    path = tmp_path / "finding.zip"
    path.write_bytes(data)
    assert load_bundle(path) == bias_finding


def test_links_of_a_bundled_page_stay_in_the_bundle(bias_finding: Finding) -> None:
    files = names(bundle(bias_finding, QUERIES))
    for link in re.findall(r'href="([^"#]+)"', files["finding.html"].decode()):
        assert link in files


def rewritten(data: bytes, change: Callable[[dict[str, bytes]], object], *, honest: bool = False) -> bytes:
    """The archive with other files; ``honest`` writes a manifest that fits."""
    files = names(data)
    change(files)
    if honest:
        del files[MANIFEST]
        listed = {n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in files.items()}
        files[MANIFEST] = json.dumps({"format": 1, "finding": "x", "files": listed}).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "honest", "message"),
    [
        (lambda f: f.update({"replay.py": b"import os"}), False, "'replay.py' does not have the hash"),
        (lambda f: f.pop("replay.py"), False, "in the manifest but not in the archive"),
        (lambda f: f.update({"more.py": b""}), False, "in the archive but not in the manifest"),
        (lambda f: f.update({"../../evil.py": b""}), True, "no name of a file"),
        (lambda f: f.update({"/etc/passwd": b""}), True, "no name of a file"),
        (lambda f: f.update({"a\\b": b""}), True, "no name of a file"),
        (lambda f: f.update({"FINDING.json": f["FINDING.json"].replace(b"1/5", b"1/6", 1)}), True, "'sha256'"),
        (lambda f: f.pop("FINDING.json"), True, "FINDING.json is missing"),
        (lambda f: f.update({MANIFEST: b"[]"}), False, "missing or malformed"),
        (lambda f: f.pop(MANIFEST), False, "missing or malformed"),
        (lambda f: f.update({"FINDING.json": b"\xff\xfe"}), True, "cannot be read"),
    ],
)
def test_a_changed_bundle_is_refused_in_one_line(
    change: Callable[[dict[str, bytes]], object], honest: bool, message: str, bias_finding: Finding, tmp_path: Path
) -> None:
    path = tmp_path / "finding.zip"
    path.write_bytes(rewritten(bundle(bias_finding, {}), change, honest=honest))
    with pytest.raises(FindingError) as caught:
        load_bundle(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_what_is_no_zip_and_what_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "finding.zip"
    with pytest.raises(FindingError, match="no such file"):
        load_bundle(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(FindingError, match="no zip"):
        load_bundle(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(65_000_000))
    with pytest.raises(FindingError, match="which no finding does"):
        load_bundle(path)


def test_replay_takes_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finding = load_finding(FIXTURES / "finding-v1-exact.json")
    path = tmp_path / "finding.zip"
    path.write_bytes(bundle(finding, {}))
    assert main(["replay", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reproduced"] is True
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["replay", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# -- schemas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "version"), [("finding", 1), ("finding", 2), ("audit", 1)])
def test_the_published_schema_is_that_of_the_model(kind: str, version: int) -> None:
    """That of version 1 must never change again, for files of that version lie elsewhere."""
    assert published(version, kind) == generated(version, kind)
    schema = json.loads(published(version, kind))
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_findings_meet_their_schema(bias_finding: Finding, run_finding: Finding) -> None:
    old, new = (Draft202012Validator(json.loads(published(version))) for version in (1, 2))
    for finding in (bias_finding, run_finding):
        new.validate(json.loads(finding.text()))
        with pytest.raises(ValidationError):
            old.validate(json.loads(finding.text()))
        with pytest.raises(ValidationError):
            new.validate({**json.loads(finding.text()), "more": 1})
    for kind in ("exact", "sampled"):
        old.validate(json.loads((FIXTURES / f"finding-v1-{kind}.json").read_text()))


def test_a_schema_that_was_never_published_is_told() -> None:
    with pytest.raises(ValueError, match="no schema of version 3"):
        published(3)
    with pytest.raises(ValueError, match="no schema of version 2 was published of 'audit'"):
        published(2, "audit")
    assert schemas.schema_name(schemas.SCHEMA_VERSION) == "finding-2.json"


# -- replay without us -------------------------------------------------------------------------------------------------

ONLY = """
import importlib.util, sys
others = ("torch", "sympy", "scipy", "numba", "harness", "fuzz", "theorems", "pip")
print([name for name in others if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module")
def numpy_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment that holds NumPy and nothing else: not even pip. NumPy's own files are linked into it."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(place)
    (target,) = place.glob("lib/python*/site-packages")
    for file in metadata.files("numpy") or ():
        source = Path(str(file.locate()))
        top = file.parts[0]
        if top in ("..", "__pycache__") or (target / top).exists():
            continue
        (target / top).symlink_to(source.parents[len(file.parts) - 2] if len(file.parts) > 1 else source)
    return place / "bin" / "python"


def in_the_clean(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
    )


def test_the_clean_environment_is_clean(numpy_alone: Path, tmp_path: Path) -> None:
    done = in_the_clean(numpy_alone, "-c", ONLY, cwd=tmp_path)
    assert done.stdout == "[]\n", done.stderr
    assert in_the_clean(numpy_alone, "-c", "import numpy; print(numpy.ones(2).sum())", cwd=tmp_path).stdout == "2.0\n"


@pytest.mark.parametrize("kind", ["exact", "sampled", "run", "bias"])
def test_the_script_runs_where_there_is_numpy_alone(
    kind: str, numpy_alone: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind in ("exact", "sampled"):
        finding = load_finding(FIXTURES / f"finding-v1-{kind}.json")
    else:
        finding = request.getfixturevalue(f"{kind}_finding")
    script = tmp_path / "replay.py"
    script.write_text(standalone_script(finding), encoding="utf-8")
    assert len(script.read_text().splitlines()) <= MOST_LINES
    began = time.perf_counter()
    done = in_the_clean(numpy_alone, str(script), cwd=tmp_path)
    assert time.perf_counter() - began < 60
    assert done.returncode == 0, done.stdout + done.stderr
    for word in (finding.statement.text, "claimed:", "measured:", "instance:", "VIOLATED"):
        assert word in done.stdout
