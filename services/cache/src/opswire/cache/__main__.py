"""`python -m opswire.cache` runs the service."""

from opswire.cache.app import create_app
from opswire.chassis.service import run_service

if __name__ == "__main__":
    run_service("cache", create_app)
