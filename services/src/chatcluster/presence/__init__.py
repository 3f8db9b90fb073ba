"""The presence port: leases and who is where."""
