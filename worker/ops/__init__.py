"""For those who run it: logs, health, the command line."""
