"""Rows as the JSON documents that the REST API and the live socket both show, with the same names."""

from fleet.documents.guest import guest_document
from fleet.documents.host import host_document
from fleet.documents.job import event_document, job_document

__all__ = ["event_document", "guest_document", "host_document", "job_document"]
