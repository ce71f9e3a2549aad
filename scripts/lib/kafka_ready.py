#!/usr/bin/env python3
"""Asks a Kafka broker for its metadata; exit 0 once it lists itself as a broker.

    kafka_ready.py HOST:PORT

An open port is not enough: the broker listens before it has joined its own cluster.
"""

import socket
import struct
import sys

METADATA = 3
VERSION = 4


def request() -> bytes:
    client = b"ready"
    head = struct.pack(">hhih", METADATA, VERSION, 1, len(client)) + client
    no_topics = struct.pack(">i", 0)
    may_not_create = b"\0"
    body = head + no_topics + may_not_create
    return struct.pack(">i", len(body)) + body


def read_exactly(link: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = link.recv(count - len(got))
        if not more:
            raise ConnectionError("the broker closed the connection")
        got += more
    return got


def brokers(host: str, port: int) -> int:
    """How many brokers the answer lists."""
    with socket.create_connection((host, port), timeout=3) as link:
        link.settimeout(3)
        link.sendall(request())
        (length,) = struct.unpack(">i", read_exactly(link, 4))
        answer = read_exactly(link, length)
    _correlation, _throttle, count = struct.unpack_from(">iii", answer)
    return count


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if len(sys.argv) == 2 else 2
    host, port = sys.argv[1].rsplit(":", 1)
    try:
        return 0 if brokers(host, int(port)) > 0 else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
