"""`payments-sandbox`: local stand-ins for what the service talks to, and the demo. Never imported by production code."""

import importlib
import sys

COMMANDS = {
    "stripe": ("sandbox.stripe.cli", "a stateful Stripe simulator with Stripe's rules and seeded faults"),
    "demo": ("sandbox.demo.cli", "run the whole service against the simulator and check what must hold"),
    "run": ("sandbox.run.cli", "start the whole service locally and stay up"),
}


def usage() -> str:
    lines = [f"  {name:<8} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        ["usage: payments-sandbox COMMAND [OPTION ...]", "", *lines, "", "payments-sandbox COMMAND --help"]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; each owns its options and imports only what it needs."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"payments-sandbox: no command {name!r}\n{usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[name][0])
    return int(module.main(rest))


if __name__ == "__main__":
    sys.exit(main())
