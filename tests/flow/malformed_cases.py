"""Every kind of bad input that an upstream can send, generated."""

from __future__ import annotations

from malformed import Case
from malformed_bodies import depths, encodings, fields, keys, mutations, numbers, shapes, sizes
from malformed_envelopes import (
    broker_orders,
    identities,
    inner_subjects,
    odd_headers,
    structured,
    structured_data,
    types,
)


def all_cases(seed: int) -> list[Case]:
    """Every case; `seed` decides about the mutations alone. Names are unique."""
    found = [
        *encodings(),
        *shapes(),
        *depths(),
        *numbers(),
        *keys(),
        *fields(),
        *sizes(),
        *structured(),
        *structured_data(),
        *types(),
        *broker_orders(),
        *odd_headers(),
        *identities(),
        *inner_subjects(),
        *mutations(seed),
    ]
    assert len({one.name for one in found}) == len(found), "two cases have one name"
    return found
