"""The rows of the fleet: what exists and what is being done."""

from fleet.models.access import ApiToken, AuditEvent, Grant, LoginLink
from fleet.models.guest import Guest, Sighting
from fleet.models.host import Host, HostLease
from fleet.models.job import Job, JobCommand, JobEvent, JobSample, JobStep
from fleet.models.site import Site, SiteLink

__all__ = [
    "ApiToken",
    "AuditEvent",
    "Grant",
    "Guest",
    "Host",
    "HostLease",
    "Job",
    "JobCommand",
    "JobEvent",
    "JobSample",
    "JobStep",
    "LoginLink",
    "Sighting",
    "Site",
    "SiteLink",
]
