"""A double of the Stripe API, version 2026-05-27.dahlia, as far as a shop of coins needs it."""
