"""The rows of guests on the move."""

from migrations_app.models.forecast_error import ForecastError
from migrations_app.models.migration import Migration
from migrations_app.models.policy import MigrationPolicy
from migrations_app.models.quarantine import QuarantinedDisk
from migrations_app.models.target_map import TargetMap

__all__ = ["ForecastError", "Migration", "MigrationPolicy", "QuarantinedDisk", "TargetMap"]
