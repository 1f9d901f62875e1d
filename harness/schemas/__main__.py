"""``python -m harness.schemas``: write the schema of the present version."""

from pathlib import Path

from harness.schemas import SCHEMA_VERSION, generated, schema_name

target = Path(__file__).resolve().parent / schema_name(SCHEMA_VERSION)
target.write_text(generated(SCHEMA_VERSION), encoding="utf-8")
print(target.name)
