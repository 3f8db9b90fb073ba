"""connect: a gateway; websocket and TCP connections, and the hub of rooms that feeds them."""
