"""The command line: to run ChatCluster, to try it and to script with it. docs/cli.md."""
