"""The published JSON Schemas of finding files and audit records, one for each version: ``finding-1.json``,
``finding-2.json``, ``audit-1.json``.

They are generated from the models that read the files; ``python -m harness.schemas`` writes those of the present
versions (after a change of the models, whose version must then grow). A schema of an older version never changes.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from pydantic import BaseModel

from harness import audit_record
from harness.finding import SCHEMA_VERSION, Finding, FindingV1

_MODELS: dict[tuple[str, int], type[BaseModel]] = {
    ("finding", 1): FindingV1,
    ("finding", 2): Finding,
    ("audit", 1): audit_record.AuditRecord,
}
PRESENT = {"finding": SCHEMA_VERSION, "audit": audit_record.SCHEMA_VERSION}
"""The version of each kind of file that is written today."""


def schema_name(version: int, kind: str = "finding") -> str:
    """The file name of a version's schema."""
    return f"{kind}-{version}.json"


def published(version: int, kind: str = "finding") -> str:
    """The text of a published schema.

    Raises:
        ValueError: for a kind or a version that was never published.
    """
    if (kind, version) not in _MODELS:
        versions = sorted(v for k, v in _MODELS if k == kind)
        raise ValueError(f"no schema of version {version} was published of {kind!r}; there are {versions}")
    return resources.files(__package__).joinpath(schema_name(version, kind)).read_text(encoding="utf-8")


def generated(version: int, kind: str = "finding") -> str:
    """The text of a schema as the models have it today."""
    schema: dict[str, Any] = _MODELS[kind, version].model_json_schema()
    schema["properties"]["schema_version"] = {"const": version, "title": "Schema Version", "type": "integer"}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:clipbounds:schema:{schema_name(version, kind)}",
        "title": f"{'A finding' if kind == 'finding' else 'An audit record'} of clipbounds, schema version {version}",
        "description": (
            "sha256 is the SHA-256, in hexadecimal, of all other fields as JSON with sorted keys, separators ',' and "
            "':', and every character that is not ASCII escaped."
        ),
    }
    return json.dumps({**schema, **head}, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


__all__ = ["PRESENT", "SCHEMA_VERSION", "generated", "published", "schema_name"]
