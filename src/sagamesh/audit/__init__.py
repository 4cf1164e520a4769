"""Who decided what about tasks, when and why, from the server's own histories."""

from sagamesh.audit.records import Record, records
from sagamesh.audit.search import Found, audit_all, audit_task

__all__ = ["Found", "Record", "audit_all", "audit_task", "records"]
