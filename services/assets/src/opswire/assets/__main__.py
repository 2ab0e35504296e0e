"""`python -m opswire.assets` runs the service."""

from opswire.assets.app import create_app
from opswire.chassis.service import run_service

if __name__ == "__main__":
    run_service("assets", create_app)
