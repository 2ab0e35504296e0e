"""The read intents that an automatic plan is known for, in the order in which help lists them."""

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
    IntentName.FILE_READ,
    IntentName.SYSTEM_HELP,
)
