"""Payments over HTTP: a request becomes a command or a query on the broker, and is answered with what comes back."""
