"""Rate limits: policies, the GCRA behind them, and what happens when Redis is away.

Knows nothing of HTTP; ``lib.api.throttles`` decides which limits a request meets.
"""
