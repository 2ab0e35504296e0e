"""Real servers for every test of the workspace."""

pytest_plugins = ["opswire.chassis.testing.fixtures"]
