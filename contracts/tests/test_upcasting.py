"""Old messages become new ones in small steps, or are refused whole."""

from __future__ import annotations

import pytest
from opswire.contracts import upcasting
from opswire.contracts.message import JsonObject
from opswire.contracts.routes import ROUTES
from opswire.contracts.upcasting import UnknownVersionError, Upcasts


def _name_in_parts(body: JsonObject) -> JsonObject:
    first, _, last = body.pop("name").partition(" ")
    return body | {"first": first, "last": last}


def _age_in_years(body: JsonObject) -> JsonObject:
    return body | {"age_years": body.pop("age")}


CHAIN = Upcasts({"person": 3, "place": 1}, {("person", 1): _name_in_parts, ("person", 2): _age_in_years})
GAPPED = Upcasts({"person": 3, "place": 1}, {("person", 1): _name_in_parts})
NEWEST = {"first": "Ada", "last": "Byron", "age_years": 36}


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (1, {"name": "Ada Byron", "age": 36}),
        (2, {"first": "Ada", "last": "Byron", "age": 36}),
        (3, NEWEST),
    ],
)
def test_every_version_becomes_the_newest(version: int, body: JsonObject) -> None:
    assert CHAIN.upcast("person", version, body) == NEWEST


def test_the_newest_is_not_touched() -> None:
    body: JsonObject = {"anything": 1}
    assert CHAIN.upcast("place", 1, body) is body
    assert CHAIN.is_newest("place", 1)
    assert not CHAIN.is_newest("person", 2)


@pytest.mark.parametrize(("stem", "version"), [("person", 4), ("person", 0), ("person", -1), ("stranger", 1)])
def test_an_unknown_stem_or_version_is_refused(stem: str, version: int) -> None:
    for read in (lambda: CHAIN.upcast(stem, version, {}), lambda: CHAIN.is_newest(stem, version)):
        with pytest.raises(UnknownVersionError) as caught:
            read()
        assert caught.value.code == "unknown_version"


def test_a_gap_is_found_before_and_at_use() -> None:
    assert CHAIN.gaps() == []
    assert GAPPED.gaps() == ["no step from person v2 to v3; add it to STEPS"]
    with pytest.raises(UnknownVersionError, match="no step from person v2 to v3"):
        GAPPED.upcast("person", 1, {"name": "Ada Byron", "age": 36})


def test_a_step_past_the_newest_is_found() -> None:
    assert Upcasts({"place": 1}, {("place", 1): dict}).gaps() == [
        "the step from place v1 leads past the newest version"
    ]


def test_this_release_has_a_whole_chain_for_every_route() -> None:
    assert upcasting.upcasts().gaps() == []
    for route in ROUTES:
        assert upcasting.is_newest(route.stem, route.message.VERSION)
        assert upcasting.upcast(route.stem, route.message.VERSION, body := {"a": 1}) is body
