"""Every table of the app, one module per noun."""

from access.models.content import Content
from access.models.entitlements import Entitlement
from access.models.refunds import CoinGift, ContentRefund
from access.models.tips import Tip

__all__ = ["CoinGift", "Content", "ContentRefund", "Entitlement", "Tip"]
