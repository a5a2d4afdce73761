"""One kind of I/O each, and no deciding."""
