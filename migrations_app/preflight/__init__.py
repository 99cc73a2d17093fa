"""Pure: every check of a migration, one file per family; the same ones for a page, a dry run and the worker."""

from migrations_app.preflight.situation import Check, DiskAction, DiskPlan, Findings, HostView, Severity, Situation
from migrations_app.preflight.survey import survey

__all__ = ["Check", "DiskAction", "DiskPlan", "Findings", "HostView", "Severity", "Situation", "survey"]
