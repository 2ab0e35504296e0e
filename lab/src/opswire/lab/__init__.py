"""Three real hosts on loopback: SSH servers, each with its own supervisor and real small services."""

from opswire.lab.errors import LabError
from opswire.lab.lab import HostStatus, Lab, LabStatus, ServiceStatus, UpReport, start

__all__ = ["HostStatus", "Lab", "LabError", "LabStatus", "ServiceStatus", "UpReport", "start"]
