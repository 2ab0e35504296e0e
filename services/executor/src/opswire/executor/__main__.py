"""`python -m opswire.executor` runs the service."""

from opswire.chassis.service import run_service
from opswire.executor.app import create_app

if __name__ == "__main__":
    run_service("executor", create_app)
