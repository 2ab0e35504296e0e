"""The intents that an automatic plan is known for, in the order in which help lists them."""

from __future__ import annotations

from opswire.contracts.taxonomy import IntentName

AUTOMATIC = (
    IntentName.ASSET_LIST,
    IntentName.ASSET_COUNT,
    IntentName.ASSET_GET,
    IntentName.STATUS_CHECK,
    IntentName.METRICS_QUERY,
    IntentName.LOGS_SEARCH,
    IntentName.DIAGNOSE_CONNECTIVITY,
    IntentName.DIAGNOSE_ISSUE,
    IntentName.FILE_READ,
    IntentName.SYSTEM_HELP,
)
"""They only read, and need nobody."""

CHANGES = {
    IntentName.SERVICE_RESTART: "restart checkout on web-01",
    IntentName.SERVICE_START: "start checkout on web-01",
    IntentName.SERVICE_STOP: "stop checkout on web-01",
    IntentName.SERVICE_SCALE: "scale mailer on web-01 to 3",
    IntentName.COMMAND_RUN: 'run "df -h" on web-01 and web-02',
    IntentName.CONFIG_UPDATE: 'in /etc/checkout.conf on web-02 replace "page_size = 20" with "page_size = 5"',
    IntentName.RELEASE_DEPLOY: "deploy storefront 1.5.0 to web-02",
    IntentName.RELEASE_ROLLBACK: "roll back storefront on web-02",
    IntentName.DATA_BACKUP: "back up orders-db",
    IntentName.DATA_RESTORE: "restore orders-db from /var/backups/orders.sqlite3.copy",
    IntentName.DATA_DELETE: "delete /srv/shop/old on web-02",
}
"""They change something, and the policy says who must want it: each with words for which there is a plan."""
