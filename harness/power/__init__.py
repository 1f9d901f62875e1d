"""How good the search is: planted false statements, rivals on the same engine and budget, kills that are confirmed."""
