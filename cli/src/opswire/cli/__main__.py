"""`python -m opswire.cli`: the same as `opswire`."""

from opswire.cli.main import app

if __name__ == "__main__":
    app(prog_name="opswire")
