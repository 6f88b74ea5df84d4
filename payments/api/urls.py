"""Routes below /api/v1/payments. Spending and tipping are routed in ``legato_payments.urls``."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from payments.api.packages import UUID_PATH, CoinPackageViewSet, CurrencyRateViewSet
from payments.api.receipts import ReceiptViewSet
from payments.api.users import TransactionViewSet, UserCoinsViewSet
from payments.api.webhooks import WebhookViewSet

router = SimpleRouter(trailing_slash=False)
router.register("coin-packages", CoinPackageViewSet, basename="coin-packages")
router.register("currency-rates", CurrencyRateViewSet, basename="currency-rates")
router.register("users", UserCoinsViewSet, basename="user-coins")
router.register("transactions", TransactionViewSet, basename="transactions")

urlpatterns = [
    path("webhooks/<slug:provider>", WebhookViewSet.as_view({"post": "receive"}), name="webhooks"),
    re_path(
        rf"^transactions/(?P<transaction_id>{UUID_PATH})/receipt\Z",
        ReceiptViewSet.as_view({"get": "show"}),
        name="receipt",
    ),
    *router.urls,
]
