"""A user's customer at Stripe, the second aggregate: the same shape as the payment's, and as pure."""
