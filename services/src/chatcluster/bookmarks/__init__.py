"""The bookmarks port: what users keep of rooms."""
