"""The rows of guests on the move."""

from migrations_app.models.migration import Migration
from migrations_app.models.quarantine import QuarantinedDisk

__all__ = ["Migration", "QuarantinedDisk"]
