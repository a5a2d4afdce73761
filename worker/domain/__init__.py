"""The pure core: what a payment is and what happens to it. No await, no clock, no randomness, no I/O."""
