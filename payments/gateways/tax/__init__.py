"""Who computes the sales tax of a purchase: our own rules, or a tax service."""
