"""What the internet reaches: webhooks are verified and stored in the broker, requests become commands and queries on it.

It knows no business rule, holds no Stripe key and no database credentials, and imports neither the SDK nor a database driver.
"""
