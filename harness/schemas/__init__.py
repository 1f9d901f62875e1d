"""The published JSON Schemas of finding files, one for each version: ``finding-1.json``, ``finding-2.json``.

They are generated from the models that read the files; ``python -m harness.schemas`` writes that of the present version
(after a change of the models, whose version must then grow). A schema of an older version never changes.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from harness.finding import SCHEMA_VERSION, Finding, FindingV1

_MODELS: dict[int, type[FindingV1]] = {1: FindingV1, 2: Finding}


def schema_name(version: int) -> str:
    """The file name of a version's schema."""
    return f"finding-{version}.json"


def published(version: int) -> str:
    """The text of a published schema.

    Raises:
        ValueError: for a version that was never published.
    """
    if version not in _MODELS:
        raise ValueError(f"no schema of version {version} was published; there are {sorted(_MODELS)}")
    return resources.files(__package__).joinpath(schema_name(version)).read_text(encoding="utf-8")


def generated(version: int) -> str:
    """The text of a schema as the models have it today."""
    schema: dict[str, Any] = _MODELS[version].model_json_schema()
    schema["properties"]["schema_version"] = {"const": version, "title": "Schema Version", "type": "integer"}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:clipbounds:schema:{schema_name(version)}",
        "title": f"A finding of clipbounds, schema version {version}",
        "description": (
            "sha256 is the SHA-256, in hexadecimal, of all other fields as JSON with sorted keys, separators ',' and "
            "':', and every character that is not ASCII escaped."
        ),
    }
    return json.dumps({**schema, **head}, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


__all__ = ["SCHEMA_VERSION", "generated", "published", "schema_name"]
