"""The accounts port: users and sessions."""
