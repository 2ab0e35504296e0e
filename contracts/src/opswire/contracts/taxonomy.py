"""The closed list of intents: what each means and the most that its plan may do.

Classifier, policy, planner and evaluation all read this one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What a plan or a tool may do to the world."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class IntentMeaning:
    """One row of the taxonomy: the effect a plan may have at most, what is meant, and one example."""

    effect: Effect
    means: str
    example: str


class IntentName(StrEnum):
    """Every intent a request can be given."""

    ASSET_LIST = "asset.list"
    ASSET_COUNT = "asset.count"
    ASSET_GET = "asset.get"
    STATUS_CHECK = "status.check"
    METRICS_QUERY = "metrics.query"
    LOGS_SEARCH = "logs.search"
    ALERTS_LIST = "alerts.list"
    ALERT_UPDATE = "alert.update"
    ONCALL_LOOKUP = "oncall.lookup"
    DIAGNOSE_ISSUE = "diagnose.issue"
    DIAGNOSE_CONNECTIVITY = "diagnose.connectivity"
    SERVICE_RESTART = "service.restart"
    SERVICE_START = "service.start"
    SERVICE_STOP = "service.stop"
    SERVICE_SCALE = "service.scale"
    RELEASE_DEPLOY = "release.deploy"
    RELEASE_ROLLBACK = "release.rollback"
    COMMAND_RUN = "command.run"
    FILE_READ = "file.read"
    CONFIG_UPDATE = "config.update"
    ACCESS_UPDATE = "access.update"
    PACKAGE_UPDATE = "package.update"
    DATA_BACKUP = "data.backup"
    DATA_RESTORE = "data.restore"
    DATA_DELETE = "data.delete"
    SECRET_READ = "secret.read"  # noqa: S105  an intent, not a secret
    KNOWLEDGE_ANSWER = "knowledge.answer"
    INCIDENT_REPORT = "incident.report"
    INCIDENT_DECLARE = "incident.declare"
    INCIDENT_UPDATE = "incident.update"
    SCHEDULE_CREATE = "schedule.create"
    NOTE_CONVERT = "note.convert"
    DOCUMENT_PROCESS = "document.process"
    SYSTEM_HELP = "system.help"
    OUT_OF_SCOPE = "out_of_scope"


INTENTS: dict[IntentName, IntentMeaning] = {
    IntentName.ASSET_LIST: IntentMeaning(
        Effect.READ,
        "list, search or filter the inventory",
        "List all servers in production",
    ),
    IntentName.ASSET_COUNT: IntentMeaning(
        Effect.READ,
        "how many assets match",
        "how many windows boxes do we have in dc2?",
    ),
    IntentName.ASSET_GET: IntentMeaning(
        Effect.READ,
        "details of one named asset",
        "what's the IP of db-prod-03",
    ),
    IntentName.STATUS_CHECK: IntentMeaning(
        Effect.READ,
        "is it up, healthy, running; its state now",
        "is nginx running on web-01?",
    ),
    IntentName.METRICS_QUERY: IntentMeaning(
        Effect.READ,
        "numbers now or over time",
        "cpu on app-02 over the last hour",
    ),
    IntentName.LOGS_SEARCH: IntentMeaning(
        Effect.READ,
        "show, tail or search logs and events",
        "show me errors in the payment logs since 9am",
    ),
    IntentName.ALERTS_LIST: IntentMeaning(
        Effect.READ,
        "which alerts or incidents are open",
        "what's firing right now",
    ),
    IntentName.ALERT_UPDATE: IntentMeaning(
        Effect.WRITE,
        "acknowledge, resolve, silence an alert; set a maintenance window",
        "ack the disk alert on db-02",
    ),
    IntentName.ONCALL_LOOKUP: IntentMeaning(
        Effect.READ,
        "who is on call or responsible",
        "who is on call for payments",
    ),
    IntentName.DIAGNOSE_ISSUE: IntentMeaning(
        Effect.READ,
        "find why something is slow, failing or crashing",
        "why does checkout keep returning 502",
    ),
    IntentName.DIAGNOSE_CONNECTIVITY: IntentMeaning(
        Effect.READ,
        "ping, port, DNS, TLS, route, reachability, capture",
        "can web-01 reach db-01 on 5432",
    ),
    IntentName.SERVICE_RESTART: IntentMeaning(
        Effect.WRITE,
        "restart a service, host, pod or job",
        "restart nginx on web-01",
    ),
    IntentName.SERVICE_START: IntentMeaning(
        Effect.WRITE,
        "start it",
        "bring redis back up on cache-1",
    ),
    IntentName.SERVICE_STOP: IntentMeaning(
        Effect.WRITE,
        "stop it",
        "shut down the old worker on batch-3",
    ),
    IntentName.SERVICE_SCALE: IntentMeaning(
        Effect.WRITE,
        "change replicas, size or capacity",
        "scale checkout to 6 replicas",
    ),
    IntentName.RELEASE_DEPLOY: IntentMeaning(
        Effect.WRITE,
        "deploy, roll out or upgrade an application; create a workload",
        "deploy api 2.4.1 to staging",
    ),
    IntentName.RELEASE_ROLLBACK: IntentMeaning(
        Effect.WRITE,
        "go back to an earlier release",
        "roll back the api deploy",
    ),
    IntentName.COMMAND_RUN: IntentMeaning(
        Effect.WRITE,
        "run this given command, script, playbook or job",
        "run df -h on all web servers",
    ),
    IntentName.FILE_READ: IntentMeaning(
        Effect.READ,
        "show a file or directory, configuration files too",
        "cat /etc/nginx/nginx.conf on web-01",
    ),
    IntentName.CONFIG_UPDATE: IntentMeaning(
        Effect.WRITE,
        "change settings, variables, files or configuration objects",
        "set max_connections to 500 on db-01",
    ),
    IntentName.ACCESS_UPDATE: IntentMeaning(
        Effect.WRITE,
        "users, groups, permissions, firewall, security settings",
        "give dana sudo on build-2",
    ),
    IntentName.PACKAGE_UPDATE: IntentMeaning(
        Effect.WRITE,
        "install, patch or upgrade packages of a system",
        "patch openssl on all debian hosts",
    ),
    IntentName.DATA_BACKUP: IntentMeaning(
        Effect.WRITE,
        "make a backup or snapshot",
        "take a snapshot of orders-db",
    ),
    IntentName.DATA_RESTORE: IntentMeaning(
        Effect.WRITE,
        "restore from a backup",
        "restore orders-db from last night",
    ),
    IntentName.DATA_DELETE: IntentMeaning(
        Effect.DESTROY,
        "remove data, files, volumes, databases or resources",
        "drop the staging_tmp database",
    ),
    IntentName.SECRET_READ: IntentMeaning(
        Effect.READ,
        "get credentials, passwords, tokens or keys",
        "what's the root password for db-01",
    ),
    IntentName.KNOWLEDGE_ANSWER: IntentMeaning(
        Effect.READ,
        "how do I, what is, explain, which runbook: no live system is touched",
        "how do I drain a kubernetes node",
    ),
    IntentName.INCIDENT_REPORT: IntentMeaning(
        Effect.READ,
        "write the report, postmortem or summary of an incident",
        "write the postmortem for INC-231",
    ),
    IntentName.INCIDENT_DECLARE: IntentMeaning(
        Effect.WRITE,
        "declare, page or escalate an emergency",
        "sev1, page the database team",
    ),
    IntentName.INCIDENT_UPDATE: IntentMeaning(
        Effect.WRITE,
        "add to the timeline or change the status of an incident",
        "add a note to INC-231: failover started",
    ),
    IntentName.SCHEDULE_CREATE: IntentMeaning(
        Effect.WRITE,
        "set up a recurring or later task or watch",
        "check disk space on db-01 every hour and warn me",
    ),
    IntentName.NOTE_CONVERT: IntentMeaning(
        Effect.READ,
        "turn notes or a transcript into a structured document",
        "turn these handover notes into a ticket",
    ),
    IntentName.DOCUMENT_PROCESS: IntentMeaning(
        Effect.READ,
        "extract from or summarise a given document",
        "summarise the attached vendor PDF",
    ),
    IntentName.SYSTEM_HELP: IntentMeaning(
        Effect.READ,
        "greetings, and what the assistant can do",
        "what can you do?",
    ),
    IntentName.OUT_OF_SCOPE: IntentMeaning(
        Effect.NONE,
        "nothing to do with operations, or no answerable request",
        "book me a table for two",
    ),
}
