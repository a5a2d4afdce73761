"""What stops a delivery.

WorkerError
├── StoreUnavailable     the database did not answer: the message is applied later
├── StoreUntrusted       the database's certificate is not one that we trust, or it refuses our login: no waiting mends it
├── JobEnded             a job that runs for ever did not: the worker ends, so that another one starts
├── StripeUnavailable    a payment can be found only by asking Stripe, and Stripe is down: later, uncounted
└── StepsExhausted       a loop that should have ended did not: later, and then a person looks
"""


class WorkerError(Exception):
    """Everything the worker raises on purpose."""


class StoreUnavailable(WorkerError):
    """The database did not answer in time, or the connection broke; whether a write took effect is unknown."""


class StoreUntrusted(WorkerError):
    """What answers at the database's address showed a certificate of an authority, or for a host, that we do not trust, or
    does not trust us.
    """


class StripeUnavailable(WorkerError):
    """Stripe must be asked whose this is, and it does not answer."""


class JobEnded(WorkerError):
    """A job that should run until it is canceled returned, or was canceled by somebody else."""


class StepsExhausted(WorkerError):
    """One message took more steps than any should."""
