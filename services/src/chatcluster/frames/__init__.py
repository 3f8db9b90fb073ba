"""What gateways and their clients say to each other in v1: docs/protocol.md, as types."""
