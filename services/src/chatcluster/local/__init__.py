"""The supervisor behind `make up`: a Redis server and the four programs on this machine."""
