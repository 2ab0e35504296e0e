"""Alembic migrations of the inventory, shipped inside the package."""
