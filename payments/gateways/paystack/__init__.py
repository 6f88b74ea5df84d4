"""Paystack: naira payments on a hosted page, refunds, disputes and its books (gateways.md, 3)."""
