"""What the internet reaches: accept a webhook, verify it, store it in the broker, say so. It knows no business rule.

It holds no Stripe key and no database credentials, and imports neither the SDK nor a database driver.
"""
