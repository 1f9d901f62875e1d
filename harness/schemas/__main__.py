"""``python -m harness.schemas``: write the schemas of the present versions."""

from pathlib import Path

from harness.schemas import PRESENT, generated, schema_name

for kind, version in PRESENT.items():
    target = Path(__file__).resolve().parent / schema_name(version, kind)
    target.write_text(generated(version, kind), encoding="utf-8")
    print(target.name)
