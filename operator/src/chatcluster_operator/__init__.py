"""The operator: turns ChatCluster resources into running clusters."""

__version__ = "0.1.0"
