"""The rows of guests on the move."""

from migrations_app.models.forecast_error import ForecastError
from migrations_app.models.migration import Migration

__all__ = ["ForecastError", "Migration"]
