"""The explicit and exact results behind the catalogue: one file each, statement first."""
