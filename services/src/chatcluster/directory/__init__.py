"""The directory port: where the parts of a cluster are."""
