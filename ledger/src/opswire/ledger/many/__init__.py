"""From one request's account to many: windows, stage tables, what changed, targets."""
