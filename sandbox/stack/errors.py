"""What can go wrong with the local stack.

StackError
├── NothingToRun     no broker or database can be had on this machine; the text says what to install
├── NotReady         a process ended, or its deadline passed, before it was ready; carries its last log lines
└── CommandFailed    an administrative command exited non-zero or ran into its timeout; carries its output
"""


class StackError(Exception):
    """Everything here; the command line prints it without a traceback."""


class NothingToRun(StackError):
    pass


class NotReady(StackError):
    pass


class CommandFailed(StackError):
    pass
