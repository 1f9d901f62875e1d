"""Reading statements from the repository and from a reviewer's file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from theorems.catalogue import CatalogueError, load_catalogue, load_file, select
from theorems.language import StatementError

HEAD = "from theorems.language import BoundedVariance, Source, StuckGradientNorm, Theorem, Upper, c, sigma\n"


def claim(name: str, bound: str = "sigma**2 / (5 * c)") -> str:
    return (
        f"{name} = Theorem(name={name!r}, source=Source('draft', 'Thm 1'), given=[BoundedVariance(sigma)], when=[],"
        f" claim=Upper(StuckGradientNorm, {bound}))\n"
    )


def write(folder: Path, text: str) -> str:
    file = folder / "mine.py"
    file.write_text(text)
    return str(file)


def test_the_catalogue_has_the_first_theorems_and_planted_ones() -> None:
    catalogue = load_catalogue()
    assert {"D0", "D1", "S1", "S1_simple", "S2", "S2_T", "S3", "S3_small", "K23_2_1"} <= set(catalogue)
    planted = [t for t in catalogue.values() if t.expect != "true"]
    assert len(planted) >= 8
    assert {t.expect for t in planted} == {"refuted", "broken_proof", "vacuous", "ill_formed"}
    assert {t.falls_by for t in planted if t.expect == "refuted"} == {"algebra", "search"}


THEORY = {
    *("D0", "D0_HS", "D1", "D1_HS", "D1_min", "D2", "D2_late", "D2_clipped_steps", "D3", "Zhang_2020"),
    *("S1", "S1_linear", "S1_simple", "S2", "S2_T", "S3", "S3_HS", "S3_small", "S3_small_HS", "S3_no_noise"),
    *("S3_plain_sgd", "S3_per_sample", "S4", "S5", "S6", "S6_bias"),
}


def test_the_catalogue_has_the_whole_theory() -> None:
    catalogue = load_catalogue()
    assert set(catalogue) >= THEORY
    assert all(catalogue[name].proof for name in THEORY)


def test_planted_statements_are_many_and_of_every_kind() -> None:
    planted = [t for name, t in load_catalogue().items() if name.startswith("planted")]
    assert len(planted) >= 60
    kinds = Counter(t.expect for t in planted)
    assert min(kinds[word] for word in ("refuted", "broken_proof", "vacuous", "ill_formed", "true")) >= 4
    falls = Counter(t.falls_by for t in planted if t.expect == "refuted")
    assert min(falls["algebra"], falls["search"]) >= 10
    items = " ".join(t.source.item for t in planted)
    for theorem in ("D0", "D1", "D2", "D3", "S1", "S2", "S2-T", "S3", "S4", "S5", "S6", "Zhang"):
        assert theorem in items
    assert all("near miss" not in t.source.item or t.expect in ("refuted", "broken_proof") for t in planted)


def test_a_file_gives_its_own_statements_only(tmp_path: Path) -> None:
    text = HEAD + "from theorems.sharp.s2_bias import exact_bias\n" + claim("mine")
    assert [t.name for t in load_file(write(tmp_path, text))] == ["mine"]


BAD = {
    "syntax error": (HEAD + "def (:\n", "syntax error"),
    "no statement": ("x = 1\n", "defines no Theorem"),
    "duplicate name": (HEAD + claim("one") + claim("one").replace("one =", "two ="), "already used"),
    "exception": (HEAD + "1 / 0\n", "ZeroDivisionError"),
    "exit": ("raise SystemExit(3)\n", "SystemExit"),
    "missing import": ("import no_such_module\n", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    with pytest.raises(CatalogueError, match=message) as caught:
        load_file(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "mine.py" in str(caught.value)


def test_a_malformed_statement_in_a_file_names_file_theorem_and_field(tmp_path: Path) -> None:
    with pytest.raises(StatementError, match=r"mine\.py:2: theorem 'one': field 'claim'"):
        load_file(write(tmp_path, HEAD + claim("one", "0.2 * sigma")))


def test_select_reads_names_and_files(tmp_path: Path) -> None:
    file = write(tmp_path, HEAD + claim("mine"))
    assert [t.name for t in select(["S2", file])] == ["S2", "mine"]
    assert len(select([])) == len(load_catalogue())
    with pytest.raises(CatalogueError, match="near: S2"):
        select(["S2_"])
    with pytest.raises(CatalogueError, match="the catalogue has one of that name"):
        select([write(tmp_path, HEAD + claim("S2"))])
    with pytest.raises(CatalogueError, match="no such file"):
        select([str(tmp_path / "absent.py")])
