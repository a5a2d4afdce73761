"""The sample shop's pages: order, pay, see what became of it."""
