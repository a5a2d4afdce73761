"""The worker: consumes commands and Stripe's webhooks, drives Stripe, keeps one document per payment, announces."""
