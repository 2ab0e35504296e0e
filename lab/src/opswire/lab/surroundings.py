"""The estate around the lab: assets that a real inventory would hold and that nothing here can reach.

Their addresses come from the ranges kept for documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24), so a
mistake contacts nobody, and each says `reachable: "no"`.
"""

from __future__ import annotations

from opswire.lab.inventory import Asset

DEBIAN = "debian-12"
UBUNTU = "ubuntu-24.04"
WINDOWS = "windows-2022"


def surrounding_assets() -> list[Asset]:
    """About twenty assets in two environments and three sites."""
    return [*_sites(), *_network(), *_hosts(), *_services()]


def _asset(name: str, type_: str, place: tuple[str, str, str], owner: str, address: str = "", **more: str) -> Asset:
    """`place` is environment, criticality, site; `more` holds os, parent, groups, tags, aliases (by comma), the rest
    becomes attributes."""
    environment, criticality, site = place
    return Asset(
        name=name,
        type=type_,
        environment=environment,
        criticality=criticality,
        address=address,
        owner=owner,
        site=site,
        os=more.pop("os", ""),
        parent=more.pop("parent", ""),
        groups=_split(more.pop("groups", "")),
        tags=_split(more.pop("tags", "")),
        aliases=_split(more.pop("aliases", "")),
        attributes={**more, "reachable": "no"},
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _sites() -> list[Asset]:
    return [
        _asset("fra1", "site", ("production", "critical", "fra1"), "team-platform", city="Frankfurt", tags="region-eu"),
        _asset("ams2", "site", ("staging", "medium", "ams2"), "team-platform", city="Amsterdam", tags="region-eu"),
    ]


def _network() -> list[Asset]:
    fra1, ams2 = ("production", "critical", "fra1"), ("staging", "medium", "ams2")
    network = "team-network"
    return [
        _asset("edge-fw-01", "firewall", fra1, network, "203.0.113.1", os="pan-os-11", groups="network,edge"),
        _asset("core-sw-01", "switch", fra1, network, "203.0.113.2", os="junos-23", groups="network", model="ex4650"),
        _asset("core-sw-02", "switch", ams2, network, "198.51.100.2", os="junos-23", groups="network", model="ex4650"),
        _asset("lb-01", "loadbalancer", fra1, network, "203.0.113.10", os="haproxy-3.0", groups="network,edge,web"),
    ]


def _hosts() -> list[Asset]:
    high, medium, low = ("production", "high", "fra1"), ("production", "medium", "fra1"), ("staging", "low", "ams2")
    critical = ("production", "critical", "fra1")
    return [
        _asset("app-01", "host", high, "team-payments", "192.0.2.11", os=DEBIAN, groups="apps,payments"),
        _asset("app-02", "host", high, "team-payments", "192.0.2.12", os=DEBIAN, groups="apps,payments"),
        _asset("app-11", "host", low, "team-payments", "198.51.100.11", os=UBUNTU, groups="apps,payments"),
        _asset("db-02", "host", critical, "team-data", "192.0.2.22", os=DEBIAN, groups="databases", tags="stateful"),
        _asset("db-11", "host", low, "team-data", "198.51.100.21", os=UBUNTU, groups="databases", tags="stateful"),
        _asset("mq-01", "host", high, "team-platform", "192.0.2.31", os=DEBIAN, groups="messaging", tags="stateful"),
        _asset("batch-01", "host", medium, "team-data", "192.0.2.41", os=UBUNTU, groups="batch"),
        _asset("mon-01", "host", medium, "team-platform", "192.0.2.51", os=DEBIAN, groups="monitoring"),
        _asset("files-01", "host", medium, "team-office", "192.0.2.61", os=WINDOWS, groups="files", tags="windows"),
        _asset("files-11", "host", low, "team-office", "198.51.100.61", os=WINDOWS, groups="files", tags="windows"),
    ]


def _services() -> list[Asset]:
    high, medium, low = ("production", "high", "fra1"), ("production", "medium", "fra1"), ("staging", "low", "ams2")
    critical = ("production", "critical", "fra1")
    payments = {
        "aliases": "payments",
        "manager": "systemd",
        "unit": "payments",
        "port": "8080",
        "protocol": "http",
        "health_path": "/health",
    }
    ledger = {"aliases": "payments-db", "manager": "systemd", "unit": "postgresql", "port": "5432", "protocol": "tcp"}
    return [
        _asset("payments@app-01", "service", high, "team-payments", "192.0.2.11", parent="app-01", **payments),
        _asset("payments@app-02", "service", high, "team-payments", "192.0.2.12", parent="app-02", **payments),
        _asset("payments@app-11", "service", low, "team-payments", "198.51.100.11", parent="app-11", **payments),
        _asset("payments-db@db-02", "database", critical, "team-data", "192.0.2.22", parent="db-02", **ledger),
        _asset("payments-db@db-11", "database", low, "team-data", "198.51.100.21", parent="db-11", **ledger),
        _asset(
            "grafana@mon-01",
            "service",
            medium,
            "team-platform",
            "192.0.2.51",
            parent="mon-01",
            aliases="grafana",
            manager="systemd",
            unit="grafana-server",
            port="3000",
            protocol="http",
            health_path="/api/health",
        ),
    ]
