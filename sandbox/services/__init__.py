"""Sample services around payments, built on `contracts` alone: an example to copy from."""
