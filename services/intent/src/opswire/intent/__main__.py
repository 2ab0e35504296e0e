"""`python -m opswire.intent` runs the service."""

from opswire.chassis.service import run_service
from opswire.intent.app import create_app

if __name__ == "__main__":
    run_service("intent", create_app)
