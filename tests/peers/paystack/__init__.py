"""A double of the Paystack API, as far as a shop of coins needs it."""
