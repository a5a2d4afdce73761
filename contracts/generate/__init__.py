"""Writes contracts/schemas from the models: JSON Schemas, the currencies, and the AsyncAPI document. See __main__.py."""
