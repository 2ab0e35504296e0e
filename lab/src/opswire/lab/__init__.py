"""Three real hosts on loopback: SSH servers, each with its own supervisor and real small services."""
