"""logic: accounts, sessions, publishing, history and presence, over gRPC."""
