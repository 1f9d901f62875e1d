"""What stands behind the pytest plugin; nothing here is imported before theorems are asked for."""
