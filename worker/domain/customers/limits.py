"""The numbers that the customer's machine obeys beside those of the payment's (domain/limits.py), each with its reason."""

MAX_METHODS = 50
"""Saved payment methods that are read and shown, the newest first. Older ones come into view as others are detached."""

MAX_TIMELINE = 200
"""Entries kept. A repeat of a command whose entry is gone has expired, unless its sender gave it a very long life."""

MAX_STRAYS = 20
"""Second customers of one user that are remembered, for the erasure. Each needs a fault of many hours, or a person."""

DELETE_SENDS = 20
"""A delete is sent until Stripe has done it, so of its sends only the newest are kept."""
