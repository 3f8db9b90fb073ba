"""What every program stands on: names, errors, settings, the runner, RPC, health, telemetry."""
