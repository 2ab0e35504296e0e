"""NATS and Valkey from wheels, as child processes on loopback: nothing but Python has to be installed."""
