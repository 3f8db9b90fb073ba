"""Generated from proto/chatcluster/v1 by `make proto`; never edited."""
