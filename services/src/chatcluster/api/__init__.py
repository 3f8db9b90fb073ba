"""api: HTTP from the outside, gRPC to logic; keeps no state."""
