"""A payment gateway of our own, without keys: database-backed, with a hosted checkout page.

It plays a real gateway: own books, own ids, fees, signed webhooks to our own endpoint. Production
refuses to start with it.
"""
