"""Which paths are read, and what host output becomes."""

from __future__ import annotations

import pytest
from opswire.executor.errors import PathRefusedError
from opswire.executor.rules.cells import counted, listed, plain
from opswire.executor.rules.paths import check_path
from opswire.executor.rules.readings import (
    as_groups,
    duration,
    read_filesystems,
    read_load,
    read_memory_kb,
    read_supervisor,
    read_systemd,
    read_systemd_failed,
    read_uptime_s,
    size,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "etc/hostname",
        "../../etc/shadow",
        "~/.ssh/id_rsa",
        "-oProxyCommand=x",
        "/etc/shadow",
        "/etc/../etc/shadow",
        "//etc//shadow-",
        "/ETC/SHADOW",
        "/proc/self/environ",
        "/var/../proc/1/environ",
        "/dev/mem",
        "/dev",
        "/sys/kernel",
        "/root/.ssh/id_ed25519",
        "/home/dana/.aws/credentials",
        "/srv/app/.env",
        "/srv/app/.env.production",
        "/etc/ssl/private/web.crt",
        "/etc/nginx/web.KEY",
        "/etc/ssh/ssh_host_rsa_key",
        "/run/secrets/token",
        "/etc/host\0name",
        "/etc/host\nname",
        "/etc/host\u202ename",
        "/" + "a" * 600,
    ],
)
def test_paths_that_are_not_read(text: str) -> None:
    with pytest.raises(PathRefusedError):
        check_path(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/etc/hostname", "/etc/hostname"),
        ("/var/log/../log//app.log", "/var/log/app.log"),
        ("/../../etc/motd", "/etc/motd"),
        ("//var/log/x", "/var/log/x"),
        ("/srv/; reboot", "/srv/; reboot"),
        ("/srv/$(reboot)", "/srv/$(reboot)"),
        ("/procedures/x", "/procedures/x"),
        ("/", "/"),
    ],
)
def test_paths_are_normalised_and_stay_data(text: str, path: str) -> None:
    assert check_path(text) == path


def test_untrusted_text_cannot_act_on_a_terminal() -> None:
    assert plain("\x1b[31mred\x07 \u202eabc\u200b\u00a0x\ttab\x9b") == "\\x1b[31mred\\x07 \\u202eabc\\u200b x\ttab\\x9b"
    assert plain("a" * 3_000).endswith("a…")
    assert len(plain("\x1b" * 5_000)) == 2_000


def test_words_for_counts_and_lists() -> None:
    assert [counted(1, "line"), counted(2, "line"), counted(0, "entry", "entries")] == [
        "1 line",
        "2 lines",
        "0 entries",
    ]
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(list("abcdefg"))] == [
        "",
        "a",
        "a and b",
        "a, b, c, d, e and 2 more",
    ]


def test_supervisor_states_with_pids() -> None:
    text = (
        "checkout                         RUNNING   pid 4711, uptime 1 day, 0:01:02\n"
        "web:worker_00                    STOPPED   Nov 21 12:00 AM\n"
        "broken                           FATAL     Exited too quickly (process log may have details)\n"
        "nonsense line\n"
        "nginx: ERROR (no such process)\n"
    )
    found = read_supervisor(text)
    assert [(reading.unit, reading.state, reading.pid) for reading in found] == [
        ("checkout", "running", 4711),
        ("web:worker_00", "stopped", None),
        ("broken", "failed", None),
    ]
    assert found[0].detail == "up 1 day, 0:01:02"


def test_a_group_is_one_line_and_its_faults_are_shown() -> None:
    text = (
        "checkout                RUNNING   pid 7, uptime 0:01:02\n"
        "mailer:mailer-01        RUNNING   pid 8, uptime 0:01:02\n"
        "mailer:mailer-02        FATAL     Exited too quickly\n"
        "mailer:mailer-03        STOPPED   Not started\n"
        "alone:alone             STOPPED   Not started\n"
    )
    found = as_groups(read_supervisor(text))
    assert [(reading.unit, reading.state, reading.detail) for reading in found] == [
        ("checkout", "running", "up 0:01:02"),
        ("mailer", "running", "1 of 3 processes run"),
        ("mailer:mailer-02", "failed", "Exited too quickly"),
        ("alone:alone", "stopped", "Not started"),
    ]


def test_systemd_properties() -> None:
    running = read_systemd(
        "nginx",
        "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=812\n"
        "ExecMainStartTimestamp=Fri 2026-11-20 08:00:00 UTC\n",
    )
    assert running is not None
    assert (running.state, running.pid) == ("running", 812)
    assert running.detail == "running, since Fri 2026-11-20 08:00:00 UTC"
    missing = read_systemd("x", "LoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\n")
    assert missing is not None
    assert (missing.state, missing.pid, missing.detail) == ("unknown", None, "no such unit")
    failed = read_systemd("x", "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\n")
    assert failed is not None
    assert (failed.state, failed.pid) == ("failed", None)
    assert read_systemd("x", "sh: systemctl: not found") is None
    assert read_systemd_failed("nginx.service loaded failed failed A web server\n\n")[0].unit == "nginx.service"


def test_numbers_of_a_host() -> None:
    assert read_load("0.42 0.36 0.30 2/345 6789\n") == (0.42, 0.36, 0.30)
    assert read_load("no") is None
    assert read_uptime_s("5025.75 9000.00\n") == 5025.75
    assert read_memory_kb("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n") == (1000, 400)
    assert read_memory_kb("") is None


def test_filesystems_of_df() -> None:
    text = (
        "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
        "/dev/sda1         10000000  4000000   4000000      50% /\n"
        "/dev/sda1         10000000  4000000   4000000      50% /var/lib/with space\n"
        "tmpfs               500000        0    500000       0% /run\n"
        "nas:/export       20000000 20000000         0     100% /mnt/nas\n"
        "config                   4        4         0     100% /mnt/config\n"
        "proc                     0        0         0       - /proc\n"
    )
    assert [(one.mount, one.used_percent) for one in read_filesystems(text)] == [("/", 50.0), ("/mnt/nas", 100.0)]


def test_durations_and_sizes() -> None:
    assert [duration(12), duration(300), duration(14_700), duration(270_000)] == [
        "12 s",
        "5 min",
        "4 h 5 min",
        "3 d 3 h",
    ]
    assert [size(512), size(1_536), size(8_178_892)] == ["512 kB", "1.5 MB", "7.8 GB"]
