"""Every table of the app, one module per noun."""

from revenue.models.earnings import Earning
from revenue.models.splits import SplitRule, StreamTerms
from revenue.models.writers import Authorship, Writer

__all__ = ["Authorship", "Earning", "SplitRule", "StreamTerms", "Writer"]
