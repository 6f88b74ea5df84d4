"""Where exchange rates come from: one module per source, chosen by ``RATE_PROVIDER``."""
