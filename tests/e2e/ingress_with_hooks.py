"""The ingress as it runs in production, with what only a test wants: a death at a named point, a shorter patience."""

import argparse
import os
import signal
import sys

from webhook_ingress.__main__ import main
from webhook_ingress.broker import NO_BROKER_LIMIT_S

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--no-broker-limit-s", type=float, default=NO_BROKER_LIMIT_S)
    chosen = parser.parse_args()

    def kill_at(point: str) -> None:
        if point == chosen.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.exit(main([], hook=kill_at, no_broker_limit_s=chosen.no_broker_limit_s))
