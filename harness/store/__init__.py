"""The store of campaigns: one SQLite file that one driver writes and anybody may read."""

from harness.store.file import Store, StoreError
from harness.store.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Store", "StoreError"]
