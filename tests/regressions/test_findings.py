"""Findings that were promoted, each judged again. Written by ``clipbounds promote``."""

from pathlib import Path

import pytest

from harness.regression import kept, recheck


@pytest.mark.parametrize("file", kept(Path(__file__).parent), ids=lambda file: file.stem)
def test_the_finding_stands(file: Path) -> None:
    again = recheck(file)
    assert again.stands, again.says
