"""The `opswire` command: every sub-command is registered here and defined in `commands`."""

from __future__ import annotations

import typer
from opswire.cli.commands import (
    approvals,
    assets,
    audit,
    cache,
    changes,
    doctor,
    eval,
    inference,
    keys,
    lab,
    latency,
    mode,
    parked,
    policy,
    requests,
    running,
    tokens,
    tools,
)
from opswire.cli.errors import EXIT_STATUSES

app = typer.Typer(
    name="opswire",
    help="An operations event comes in, one accountable outcome comes out.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("up")(running.up)
app.command("down")(running.down)
app.command("status")(running.status)
app.command("provision")(running.provision)
app.command("ask")(requests.ask)
app.command("publish")(requests.publish)
app.command("show")(requests.show)
app.command("trace")(requests.trace)
app.command("cancel")(changes.cancel)
app.command("resolve")(changes.resolve)
app.add_typer(approvals.app, name="approvals")
app.add_typer(policy.app, name="policy")
app.add_typer(tools.app, name="tools")
app.add_typer(keys.app, name="keys")
app.add_typer(mode.app, name="mode")
app.add_typer(latency.app, name="latency")
app.add_typer(assets.app, name="assets")
app.add_typer(cache.app, name="cache")
app.add_typer(parked.app, name="parked")
app.add_typer(audit.app, name="audit")
app.add_typer(eval.app, name="eval")
app.command("tokens")(tokens.tokens)
app.add_typer(inference.app, name="inference")
app.add_typer(lab.app, name="lab")
app.command("doctor")(doctor.doctor)
