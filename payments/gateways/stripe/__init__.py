"""Stripe: hosted pages, payments on our own pages, saved methods, refunds, disputes, its books."""
