"""The children of a ChatCluster: pure builders, a module for each kind of child."""
