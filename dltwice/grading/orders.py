"""The one-byte orders to a server (see `server.py`) and its replies."""

START, KILL, WARM = b"S", b"K", b"W"
READY, KILLED = b"R", b"D"
ORDER_SIZE = 32  # bytes: an order is padded, so that two of them are never taken for one
