"""The whole service on one machine, as processes: for the demo, for `make run` and for tests."""
