"""ChatCluster's services: api, logic, connect and task, and what they share."""

__version__ = "0.1.0"
