"""Campaigns: searches of hours or nights, cut into shards, committed to a store, and resumed after anything."""
