"""What every Opswire service stands on: broker, delivery, facts, telemetry, caches, health."""
