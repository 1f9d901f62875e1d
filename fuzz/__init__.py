"""Where a claim could fail: problems, engines and searches. Imports `theorems` only."""
