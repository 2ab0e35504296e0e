"""Arguments, paths and addresses that are refused before anything is sent: a row each, with the code it ends in."""

from __future__ import annotations

import os
from typing import Any

import pytest
import tool_scene
from opswire.chassis.errors import OpswireError
from opswire.executor.adapters.settings import DriverSettings
from opswire.executor.adapters.tools import Drivers
from opswire.executor.errors import BadArgumentError, PathRefusedError
from opswire.executor.rules.packaged import packaged_catalogue
from opswire.executor.rules.parameters import Value
from opswire.executor.rules.paths import check_deletable, check_path, check_writable

RESTART, WRITE = "service.restart", "file.write"
UNIT = {"manager": "supervisor"}
# What PROMISES.md names under "tool arguments", at every place where an argument becomes part of a command.
HOSTILE = {
    "semicolon": "; reboot",
    "substitution": "$(reboot)",
    "backticks": "`reboot`",
    "line break": "checkout\nreboot",
    "leading dash": "-x",
    "proxy command": "-oProxyCommand=reboot",
    "nested quotes": "'\"'; reboot; '\"'",
    "glob": "*",
    "question mark": "checkou?",
    "every member of a group": "mailer:*",
    "every unit": "all",
    "every unit, shouted": "ALL",
    "NUL": "check\0out",
    "environment": "LD_PRELOAD=/x.so",
    "empty": "",
    "blank": " ",
    "look-alike": "сheckout",
    "hidden": "check\u200bout",
    "bidi": "check\u202eout",
    "lone surrogate": "check\ud800out",
    "long": "x" * 10_000,
}
ARGUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"unit: {name}": (RESTART, UNIT | {"unit": text}) for name, text in HOSTILE.items()},
    **{
        f"release: {name}": ("release.switch", {"link": "/srv/shop/current", "release": text})
        for name, text in {**HOSTILE, "up": "..", "path": "../1.0", "absolute": "/etc"}.items()
        if name not in ("every unit", "every unit, shouted")
    },
    "manager of another kind": (RESTART, {"unit": "checkout", "manager": "sh -c reboot"}),
    "no manager": (RESTART, {"unit": "checkout"}),
    "no unit": (RESTART, UNIT),
    "unit is a number": (RESTART, UNIT | {"unit": 1}),
    "unit is true": (RESTART, UNIT | {"unit": True}),
    "unit is a list": (RESTART, UNIT | {"unit": ["checkout"]}),
    "one more argument": (RESTART, UNIT | {"unit": "checkout", "sudo": True}),
    "effect in an argument": (RESTART, UNIT | {"unit": "checkout", "effect": "read"}),
    "-1 replicas": ("service.scale", {"group": "mailer", "replicas": -1}),
    "0 replicas": ("service.scale", {"group": "mailer", "replicas": 0}),
    "1e9 replicas": ("service.scale", {"group": "mailer", "replicas": 10**9}),
    "replicas as text": ("service.scale", {"group": "mailer", "replicas": "3"}),
    "replicas as true": ("service.scale", {"group": "mailer", "replicas": True}),
    "0 pods": ("kubernetes.scale", {"namespace": "shop", "deployment": "checkout", "replicas": 0}),
    "1e9 pods": ("kubernetes.scale", {"namespace": "shop", "deployment": "checkout", "replicas": 10**9}),
    "namespace of all": ("kubernetes.pods", {"namespace": "*"}),
    "namespace with a slash": ("kubernetes.pods", {"namespace": "shop/../kube-system"}),
    "command as one text": ("command.run", {"argv": "df -h; reboot"}),
    "empty command": ("command.run", {"argv": []}),
    "empty program": ("command.run", {"argv": [""]}),
    "program is an option": ("command.run", {"argv": ["-c", "reboot"]}),
    "program is an assignment": ("command.run", {"argv": ["LD_PRELOAD=/x.so", "ls"]}),
    "shell with a text": ("command.run", {"argv": ["sh", "-c", "reboot"]}),
    "shell by its path": ("command.run", {"argv": ["/bin/bash", "-lc", "reboot"]}),
    "shell with a text after options": ("command.run", {"argv": ["bash", "--norc", "-c", "reboot"]}),
    "shell that env starts": ("command.run", {"argv": ["env", "sh", "-c", "reboot"]}),
    "shell that outlives us": ("command.run", {"argv": ["nohup", "/bin/bash", "-lc", "reboot"]}),
    "shell for a time": ("command.run", {"argv": ["timeout", "5", "sh", "-c", "reboot"]}),
    "shell for every file": ("command.run", {"argv": ["find", "/", "-exec", "sh", "-c", "reboot", ";"]}),
    "text that env splits": ("command.run", {"argv": ["env", "-iS", "sh -c reboot"]}),
    "text that env splits at length": ("command.run", {"argv": ["sudo", "env", "--split-string=sh -c reboot"]}),
    "text that su runs": ("command.run", {"argv": ["su", "root", "-c", "reboot"]}),
    "loader through sudo": ("command.run", {"argv": ["sudo", "LD_PRELOAD=/x.so", "ls"]}),
    "loader through two programs": ("command.run", {"argv": ["nice", "env", "LD_PRELOAD=/x.so", "ls"]}),
    "loader through env": ("command.run", {"argv": ["env", "LD_PRELOAD=/x.so", "ls"]}),
    "path through env": ("command.run", {"argv": ["/usr/bin/env", "PATH=/evil", "ls"]}),
    "NUL in a command": ("command.run", {"argv": ["ls", "a\0b"]}),
    "a number in a command": ("command.run", {"argv": ["ls", 1]}),
    "too many arguments": ("command.run", {"argv": ["ls", *["x"] * 64]}),
    "port 0": ("tcp.connect", {"port": 0}),
    "port 65536": ("tcp.connect", {"port": 65_536}),
    "port as text": ("tcp.connect", {"port": "80"}),
    "scheme": ("http.check", {"port": 80, "path": "/", "scheme": "gopher"}),
    "file scheme": ("http.check", {"port": 80, "path": "/", "scheme": "file"}),
    "path with an authority": ("http.check", {"port": 80, "path": "//evil.example/", "scheme": "http"}),
    "path with a line break": ("http.check", {"port": 80, "path": "/a\r\nX-Evil: 1", "scheme": "http"}),
    "path with a user": ("http.check", {"port": 80, "path": "user@evil", "scheme": "http"}),
    "name that is an address": ("dns.resolve", {"name": "127.1"}),
    "0 lines": ("ssh.log_tail", {"path": "/var/log/x.log", "lines": 0}),
    "1e9 lines": ("ssh.log_tail", {"path": "/var/log/x.log", "lines": 10**9}),
    "digest of another form": ("file.verify", {"path": "/etc/motd", "digest": "x" * 64}),
    "backup elsewhere": ("file.restore", {"path": "/etc/motd", "backup": "../../x"}),
    "target of another form": ("ssh.port_check", {"target_asset_id": "web 01; x", "port": 1}),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_that_is_not_plain_data_is_refused(name: str) -> None:
    tool, arguments = ARGUMENTS[name]
    with pytest.raises(BadArgumentError) as caught:
        packaged_catalogue().check(tool, arguments)
    assert caught.value.code == "bad_argument"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_what_is_plain_passes() -> None:
    fine: list[tuple[str, dict[str, Value]]] = [
        (RESTART, UNIT | {"unit": "getty@tty1.service"}),
        ("command.run", {"argv": ["grep", "-c", "; reboot $(x)", "/etc/motd"]}),
        ("command.run", {"argv": ["bash", "/srv/shop/check.sh"]}),
        ("service.scale", {"group": "mailer", "replicas": 64}),
        ("file.write", {"path": "/etc/shop.conf", "content": "-- $(x) `y`\n\tz = 'q'\n"}),
    ]
    for tool, arguments in fine:
        packaged_catalogue().check(tool, arguments)
        assert packaged_catalogue().entry(tool).changes


READ_REFUSED = {
    "up": "../../etc/shadow",
    "up in the middle": "/srv/../etc/shadow",
    "relative": "etc/motd",
    "home": "~/.ssh/id_rsa",
    "environment of a process": "/proc/self/environ",
    "device": "/dev/zero",
    "kernel": "/sys/kernel/x",
    "NUL": "/etc/mo\0td",
    "line break": "/etc/motd\n",
    "shadow": "/etc/shadow",
    "key": "/home/dana/.ssh/id_ed25519",
    "not plain": "/etc//motd",
    "dot": "/etc/./motd",
    "slash at the end": "/etc/",
    "long": "/" + "x" * 600,
}
WRITE_REFUSED = READ_REFUSED | {
    "root": "/",
    "program": "/usr/bin/ls",
    "boot": "/boot/vmlinuz",
    "library": "/lib/x.so",
    "another root": "/mnt/x",
    "writable root itself": "/etc",
    "users": "/etc/passwd",
    "groups": "/etc/group-",
    "sudo": "/etc/sudoers.d/x",
    "cron": "/etc/cron.d/x",
    "loader": "/etc/ld.so.preload",
    "login": "/etc/pam.d/sshd",
    "sshd": "/etc/ssh/sshd_config",
    "unit": "/etc/systemd/system/x.service",
    "shell's start": "/home/dana/.bashrc",
    "keys of a user": "/home/dana/.ssh/authorized_keys",
    "package state": "/var/lib/dpkg/status",
    "run": "/run/x",
    "shouted": "/ETC/motd",
}
DELETE_REFUSED = WRITE_REFUSED | {
    "a whole application": "/srv/shop",
    "a user's home": "/home/dana",
    "state of a service": "/var/lib/postgresql",
    "all of a root": "/srv",
    "all of another": "/tmp",
}


@pytest.mark.parametrize("name", READ_REFUSED)
def test_paths_that_are_not_read(name: str) -> None:
    with pytest.raises(PathRefusedError) as caught:
        packaged_catalogue().check("ssh.file_read", {"path": READ_REFUSED[name]})
    assert caught.value.code == "path_refused"


@pytest.mark.parametrize("name", WRITE_REFUSED)
def test_paths_that_are_not_written(name: str) -> None:
    with pytest.raises(PathRefusedError):
        packaged_catalogue().check(WRITE, {"path": WRITE_REFUSED[name], "content": "x"})


@pytest.mark.parametrize("name", DELETE_REFUSED)
def test_paths_that_are_not_deleted(name: str) -> None:
    with pytest.raises(PathRefusedError):
        packaged_catalogue().check("file.delete", {"path": DELETE_REFUSED[name]})


def test_paths_that_are_changed() -> None:
    assert check_writable("/etc/nginx/nginx.conf") == "/etc/nginx/nginx.conf"
    assert check_writable("/srv/x/../note.txt") == "/srv/note.txt"
    for path in ("/srv/shop/releases/1.0", "/tmp/x", "/var/backups/x.sqlite3", "/home/dana/old"):
        assert check_deletable(path) == path
    assert check_path("/usr/share/doc") == "/usr/share/doc"
    # Nobody decodes it: it is the name of a folder like any other.
    assert check_path("/srv/%2e%2e/etc") == "/srv/%2e%2e/etc"


@pytest.mark.parametrize("tool", ["file.write", "file.delete", "data.backup"])
async def test_a_folder_that_leads_away_is_not_followed(ssh_host, drivers: Drivers, tool: str) -> None:
    root = ssh_host.root
    (root / "srv").mkdir()
    (root / "etc" / "ssh").mkdir(parents=True)
    (root / "etc" / "ssh" / "sshd_config").write_text("as it was")
    (root / "srv" / "shop").symlink_to("../etc/ssh")
    path = "/srv/shop/sshd_config"
    arguments = {"file.write": {"path": path, "content": "x"}, "file.delete": {"path": path}}
    given = arguments.get(tool, {"path": path, "copy": "/srv/copy"})
    with pytest.raises(OpswireError) as caught:
        await tool_scene.run(drivers, packaged_catalogue(), tool, ssh_host.asset(), **given)
    assert caught.value.code == "file_refused"
    assert (root / "etc" / "ssh" / "sshd_config").read_text() == "as it was"
    assert not (root / "srv" / "copy").exists()


async def test_special_and_large_files_are_left_alone(ssh_host, drivers: Drivers) -> None:
    root = ssh_host.root
    (root / "srv").mkdir()
    os.mkfifo(root / "srv" / "pipe")
    with (root / "srv" / "large").open("wb") as file:
        file.truncate(10_000_000_000)  # 10 GB that take no room
    for path, code in (("/srv/pipe", "file_refused"), ("/srv/large", "file_too_large")):
        arguments = {"path": path, "old": "a", "new": "b"}
        with pytest.raises(OpswireError) as caught:
            await tool_scene.run(drivers, packaged_catalogue(), "file.replace_text", ssh_host.asset(), **arguments)
        assert caught.value.code == code
    assert (root / "srv" / "large").stat().st_size == 10_000_000_000


SSRF = {
    "loopback": "127.0.0.1",
    "loopback, last": "127.255.255.254",
    "loopback v6": "::1",
    "mapped": "::ffff:127.0.0.1",
    "mapped in hexadecimal": "::ffff:7f00:1",
    "NAT64": "64:ff9b::7f00:1",
    "6to4": "2002:7f00:1::",
    "one number": "2130706433",
    "octal": "0177.0.0.1",
    "hexadecimal": "0x7f.0.0.1",
    "short": "127.1",
    "leading zeros": "127.000.000.001",
    "name of it": "localhost",
    "metadata": "169.254.169.254",
    "metadata of another cloud": "100.100.100.200",
    "unspecified": "0.0.0.0",
    "file": "file:///etc/passwd",
    "gopher": "gopher://10.0.0.1:70/_x",
    "user": "user@10.0.0.1",
    "line break": "10.0.0.1\r\nHost: evil",
    "none": "",
}
ASKING: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "http.request": ({"name": "http.request", "path": "/x"}, {"protocol": "http"}),
    "prometheus": ({"name": "prometheus.query", "query": "up"}, {"protocol": "http"}),
    "kubernetes": ({"name": "kubernetes", "path": "/api"}, {}),
    "sql": (
        {"name": "sql.query", "sql": "SELECT 1"},
        {"engine": "postgresql", "database": "shop", "db_user": "reader"},
    ),
    "ssh": ({"name": "ssh.command", "argv": ["true"]}, {}),
    "windows": ({"name": "windows.command", "argv": ["Get-Date"]}, {}),
}


@pytest.mark.parametrize("driver", ASKING)
@pytest.mark.parametrize("name", SSRF)
async def test_no_driver_contacts_what_is_never_contacted(ssh_host, name: str, driver: str) -> None:
    settings, attributes = ASKING[driver]
    catalogue = tool_scene.catalogue(tool_scene.tool("team.ask", settings))
    asset = ssh_host.asset().model_copy(update={"address": SSRF[name] or None})
    asset = asset.model_copy(update={"attributes": {**asset.attributes, "port": "80", **attributes}})
    if driver not in ("ssh", "windows"):
        del asset.attributes["credential"]
    async with Drivers(DriverSettings(ssh_host.credentials_dir)) as strict:
        with pytest.raises(OpswireError) as caught:
            await tool_scene.run(strict, catalogue, "team.ask", asset)
    assert caught.value.code == "address_refused"
    assert ssh_host.connections == 0
