"""A word that narrows a list counts, or is said to mean nothing here; it never silently widens the answer."""

from __future__ import annotations

import pytest
from opswire.assets.usecases.unheard import unheard_words
from opswire.contracts.findings import Entity
from opswire.contracts.types import EntityType

HOSTS = Entity(type=EntityType.ASSET_TYPE, value="hosts")
SERVERS = Entity(type=EntityType.ASSET_TYPE, value="servers")
PRODUCTION = Entity(type=EntityType.ENVIRONMENT, value="production")


@pytest.mark.parametrize(
    ("text", "entities", "unheard"),
    [
        ("list all servers in production", [SERVERS, PRODUCTION], []),
        ("how many hosts do we have in staging?", [HOSTS, Entity(type=EntityType.ENVIRONMENT, value="staging")], []),
        ("please show me the list of our servers", [SERVERS], []),
        ("what servers do we have, sorted by name?", [SERVERS], []),
        ("count the hosts", [HOSTS], []),
        ("list hosts owned by team-shop", [HOSTS], ["team-shop"]),
        ("which servers belong to the team team-data", [SERVERS], ["team-data"]),
        ("list hosts in moon", [HOSTS], ["moon"]),
        ("list critical hosts", [HOSTS], ["critical"]),
        ("list web servers in producton", [SERVERS], ["web", "producton"]),
        ("show hosts in the web group", [HOSTS], ["web"]),
        ("list servers in production in fra1.", [SERVERS, PRODUCTION], ["fra1"]),
        ("", [], []),
        ("in", [HOSTS], []),
        ("hosts", [HOSTS], []),
    ],
)
def test_what_narrows_a_list_and_was_not_heard(text: str, entities: list[Entity], unheard: list[str]) -> None:
    assert unheard_words(text, entities) == unheard
