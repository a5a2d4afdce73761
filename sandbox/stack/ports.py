"""Free loopback ports, handed out so that nobody else is likely to take one before its owner listens.

The usual trick, binding port 0 and closing, hands out ports from the range that the kernel also uses for outgoing
connections. A node that restarts on its port would find it taken by some client of a neighbour. So we draw from below that
range, at random, because several of these programs may run at once.
"""

import random
import socket

FIRST_PORT = 20_000  # above what usual services listen on
LAST_PORT = 32_000  # below Linux's default range for outgoing connections, 32768, and macOS's, 49152
MAX_DRAWS = 1_000  # a machine with no free port among a thousand draws has another problem

_drawn: set[int] = set()
_random = random.SystemRandom()  # a seeded test must not make two runs draw the same ports


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on and that this process has not handed out before."""
    for _ in range(MAX_DRAWS):
        port = _random.randint(FIRST_PORT, LAST_PORT)
        if port not in _drawn and is_free(port):
            _drawn.add(port)
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a port in TIME_WAIT counts as free, a port that is listened on does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
