"""python -m contracts.definitions: the broker's definitions, with every exchange, queue, binding and login.

Without options it prints what deploy/rabbitmq/definitions.json holds: nobody can log in with that. --passwords reads the
passwords (contracts/logins.py names the settings; each also as NAME_FILE) and puts their salted hashes in. The broker imports
the file at each of its starts (`load_definitions`), so a new password is a new file and a restart.

Source: RabbitMQ's documentation, "Schema Definition Export and Import" and "Credentials and Passwords". Nothing here needs more
than RabbitMQ 3.10.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts import topology
from contracts.environment import Environment, SettingError
from contracts.logins import LOGINS, SUBSCRIPTIONS, Login

NOTHING = "^$"
NO_PASSWORD = ""
"""RabbitMQ lets nobody in by password whose hash is empty."""

SALT_BYTES = 4
MIN_PASSWORD = 16
"""The broker's hash is fast to try out: what guards a password is its length."""

Json = dict[str, Any]


def definitions(hashes: Mapping[str, str], vhost: str = "/") -> Json:
    """Everything the broker must know. `hashes` are password hashes by login; who has none cannot log in."""
    queues = (*topology.QUEUES, *SUBSCRIPTIONS)
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(login, hashes.get(login.name, NO_PASSWORD)) for login in LOGINS],
        "permissions": [_permission(login, vhost) for login in LOGINS],
        "exchanges": [_exchange(name, vhost) for name in topology.EXCHANGES],
        "queues": [_queue(queue, vhost) for queue in queues],
        "bindings": [
            _binding(exchange, queue.name, pattern, vhost) for queue in queues for exchange, pattern in queue.bindings
        ],
    }


def _user(login: Login, password_hash: str) -> Json:
    return {
        "name": login.name,
        "password_hash": password_hash,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(login.tags),
        "limits": {},
    }


def _permission(login: Login, vhost: str) -> Json:
    return {
        "user": login.name,
        "vhost": vhost,
        "configure": NOTHING,
        "write": exactly(login.writes),
        "read": exactly(login.reads),
    }


def exactly(names: Iterable[str]) -> str:
    """A pattern that matches these names and nothing else, nor anything that only contains one of them."""
    return f"^({'|'.join(map(re.escape, names))})$" if names else NOTHING


def _exchange(name: str, vhost: str) -> Json:
    return {
        "name": name,
        "vhost": vhost,
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(queue: topology.Queue, vhost: str) -> Json:
    return {
        "name": queue.name,
        "vhost": vhost,
        "durable": True,
        "auto_delete": False,
        "arguments": queue.arguments,
    }


def _binding(exchange: str, queue: str, pattern: str, vhost: str) -> Json:
    return {
        "source": exchange,
        "vhost": vhost,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": pattern,
        "arguments": {},
    }


def hashed(password: str, salt: bytes) -> str:
    """A password as RabbitMQ keeps it: the salt and the SHA-256 of salt and password, in base64."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def read_hashes(variables: Mapping[str, str]) -> dict[str, str]:
    """The hashes of the passwords that are set, each with a fresh salt. Raises SettingError for one that is too short."""
    environment = Environment(variables)
    found = {}
    for login in LOGINS:
        password = environment.secret(login.password, "")
        if not password:
            continue
        if len(password) < MIN_PASSWORD:
            raise SettingError(f"{login.password} is too short: {MIN_PASSWORD} characters or more")
        found[login.name] = hashed(password, secrets.token_bytes(SALT_BYTES))
    return found


def text(content: Json) -> str:
    """The same bytes for the same content, on every machine."""
    return json.dumps(content, indent=2) + "\n"


def main(arguments: Sequence[str] | None = None, variables: Mapping[str, str] = os.environ) -> int:
    """Write them; exit code 2 when a password is too short or cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m contracts.definitions", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--passwords", action="store_true", help="with the hashes of the passwords in the environment")
    parser.add_argument("--vhost", default="/", help="default /")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default stdout")
    chosen = parser.parse_args(arguments)
    hashes: dict[str, str] = {}
    if chosen.passwords:
        try:
            hashes = read_hashes(variables)
        except SettingError as error:
            sys.stderr.write(f"contracts.definitions: {error}\n")
            return 2
        for login in LOGINS:
            if login.name not in hashes:
                sys.stderr.write(f"contracts.definitions: {login.password} is not set: {login.name} cannot log in\n")
    written = text(definitions(hashes, chosen.vhost))
    if chosen.output is None:
        sys.stdout.write(written)
    else:
        chosen.output.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
