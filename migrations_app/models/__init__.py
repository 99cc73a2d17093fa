"""The rows of guests on the move."""

from migrations_app.models.migration import Migration
from migrations_app.models.policy import MigrationPolicy

__all__ = ["Migration", "MigrationPolicy"]
