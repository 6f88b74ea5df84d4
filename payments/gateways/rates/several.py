"""Several sources in turn: each is asked for the pairs that those before it lack."""

from collections.abc import Sequence
from datetime import date

import structlog

from payments.gateways.rates.base import Pair, Quote, RateProvider, RateSourceUnreadable

log = structlog.get_logger(__name__)


class SeveralRates:
    """One source made of others, in the order of preference."""

    def __init__(self, sources: Sequence[RateProvider]) -> None:
        self.sources = sources
        self.code = ",".join(source.code for source in sources)

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        """Quotes that keep the name of the source they came from.

        A source that cannot be read is logged, and the next one is asked for its pairs too.

        Raises:
            RateSourceUnreadable: None of them gave anything, and one at least could not be read.
        """
        found: list[Quote] = []
        faults: list[str] = []
        for source in self.sources:
            known = {(quote.base, quote.quote) for quote in found}
            missing = [pair for pair in pairs if pair not in known]
            if not missing:
                break
            try:
                found += source.fetch(missing, on)
            except RateSourceUnreadable as error:
                log.warning("rate_source_unreadable", source=source.code, error=str(error))
                faults.append(str(error))
        if faults and not found:
            raise RateSourceUnreadable("; ".join(faults))
        return found
