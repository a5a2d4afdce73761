"""A stateful Stripe simulator: an unmodified Stripe client works against it, and its ledger says what was really charged.

One process, all in memory. `app.create_app` builds the ASGI application, `server.serve` runs it inside a test,
`payments-sandbox stripe` runs it on its own. docs/simulator.md has the endpoints and runnable examples.
"""
