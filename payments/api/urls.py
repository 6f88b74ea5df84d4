"""Routes below /api/v1/payments. Spending and tipping are routed in ``legato_payments.urls``."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from legato_payments.lib.ids import EXTERNAL_ID
from payments.api.packages import UUID_PATH, CoinPackageViewSet, CurrencyRateViewSet
from payments.api.payment_methods import PaymentMethodViewSet
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
    re_path(
        rf"^users/(?P<user_id>{EXTERNAL_ID})/payment-methods\Z",
        PaymentMethodViewSet.as_view({"get": "list"}),
        name="payment-methods",
    ),
    re_path(
        rf"^users/(?P<user_id>{EXTERNAL_ID})/payment-methods/(?P<method_id>{UUID_PATH})\Z",
        PaymentMethodViewSet.as_view({"delete": "remove"}),
        name="payment-method",
    ),
    *router.urls,
]
