"""Whom a bearer token makes the caller, and every way we know to forge one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings

from legato_payments.lib.api import tokens
from legato_payments.lib.api.auth import InvalidToken, Principal, verify
from legato_payments.lib.api.keys import VerificationKey, key_source, thumbprint

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    encoded: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


@dataclass(frozen=True)
class In:
    """A moment, so many seconds from when the token is signed."""

    seconds: int


@dataclass
class UserService:
    """Signs tokens as the platform's user service; every part can be falsified."""

    issuer: str
    audience: str

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "reader-1",
            "iat": In(0),
            "exp": In(300),
            **changed,
        }
        return {
            name: now + value.seconds if isinstance(value, In) else value
            for name, value in claims.items()
            if value is not None
        }

    def sign(
        self,
        key: Any = RSA,
        *,
        alg: str = "RS256",
        kid: str | None = "rsa-1",
        typ: str | None = "at+jwt",
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        headers = {"kid": kid, "typ": typ, **(header or {})}
        kept = {name: value for name, value in headers.items() if value is not None}
        if typ is None:
            kept["typ"] = None
        return jwt.encode(self.claims(**claims), key, algorithm=alg, headers=kept)

    def by_hand(
        self, header: dict[str, Any], signature: Callable[[bytes], bytes], **claims: Any
    ) -> str:
        payload = self.claims(**claims)
        signed = b64(json.dumps(header).encode()) + b"." + b64(json.dumps(payload).encode())
        return (signed + b"." + b64(signature(signed))).decode()


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture
def user_service(settings: Settings) -> UserService:
    """A user service with an RSA, a P-256 and an Ed25519 key, all configured as PEM."""
    settings.JWT_PUBLIC_KEYS = f"kid=rsa-1\n{pem(RSA)}\nkid=ec-1\n{pem(EC)}\nkid=ed-1\n{pem(ED)}"
    settings.JWT_SIGNING_KEY_FILE = None
    return UserService(settings.JWT_ISSUER, settings.JWT_AUDIENCE)


@pytest.mark.parametrize(
    ("key", "alg", "kid"), [(RSA, "RS256", "rsa-1"), (EC, "ES256", "ec-1"), (ED, "EdDSA", "ed-1")]
)
def test_a_token_of_each_kind_of_key_is_accepted(
    user_service: UserService, key: Any, alg: str, kid: str
) -> None:
    assert verify(user_service.sign(key, alg=alg, kid=kid)).subject == "reader-1"


FORGED: dict[str, Callable[[UserService], str]] = {
    "expired": lambda s: s.sign(exp=In(-60)),
    "expired just beyond the leeway": lambda s: s.sign(exp=In(-31)),
    "not valid yet": lambda s: s.sign(nbf=In(600)),
    "issued in the future": lambda s: s.sign(iat=In(600)),
    "for another service": lambda s: s.sign(aud="other"),
    "for a list of other services": lambda s: s.sign(aud=["other", "another"]),
    "for nobody": lambda s: s.sign(aud=[]),
    "of another issuer": lambda s: s.sign(iss="https://evil.example"),
    "of an issuer with the same beginning": lambda s: s.sign(iss=f"{s.issuer}.evil.example"),
    "of several issuers": lambda s: s.by_hand(
        {"alg": "RS256", "kid": "rsa-1"}, sign_rsa, iss=[s.issuer]
    ),
    "without exp": lambda s: s.sign(exp=None),
    "without iat": lambda s: s.sign(iat=None),
    "without iss": lambda s: s.sign(iss=None),
    "without aud": lambda s: s.sign(aud=None),
    "without sub": lambda s: s.sign(sub=None),
    "exp is no number": lambda s: s.sign(exp="never"),
    "exp is a numeric string": lambda s: s.sign(exp="4102444800"),
    "exp is infinite": lambda s: s.sign(exp=float("inf")),
    "iat is a boolean": lambda s: s.sign(iat=True),
    "sub is a number": lambda s: s.sign(sub=5),
    "sub is empty": lambda s: s.sign(sub=""),
    "sub is a list": lambda s: s.sign(sub=["reader-1"]),
    "sub climbs the path": lambda s: s.sign(sub="../reader-1"),
    "sub ends with a newline": lambda s: s.sign(sub="reader-1\n"),
    "sub is too long": lambda s: s.sign(sub="x" * 65),
    "sub is a service without a name": lambda s: s.sign(sub="service:"),
    "roles is a string": lambda s: s.sign(roles="writer"),
    "roles holds a number": lambda s: s.sign(roles=["writer", 1]),
    "scope is a list": lambda s: s.sign(scope=["coins:read"]),
    "email is a list": lambda s: s.sign(email=["a@b.example"]),
    "act names no user": lambda s: s.sign(sub="service:x", act={"sub": "a/b"}),
    "act is a list": lambda s: s.sign(sub="service:x", act=["reader-1"]),
    "act names a service": lambda s: s.sign(sub="service:x", act="service:y"),
    "an identity token": lambda s: s.sign(typ="id_token+jwt"),
    "a security event": lambda s: s.sign(typ="secevent+jwt"),
    "typ is no string": lambda s: s.by_hand({"alg": "RS256", "kid": "rsa-1", "typ": 1}, sign_rsa),
    "signed by another key": lambda s: s.sign(OTHER_RSA),
    "a key id we do not know": lambda s: s.sign(kid="rsa-2"),
    "no key id where there are several": lambda s: s.sign(kid=None),
    "key id is a number": lambda s: s.by_hand({"alg": "RS256", "kid": 1}, sign_rsa),
    "the algorithm of another key": lambda s: s.sign(ED, alg="EdDSA", kid="rsa-1"),
    "a stronger algorithm than the key's": lambda s: s.sign(alg="RS512"),
    "PSS instead of PKCS 1.5": lambda s: s.sign(alg="PS256"),
    "no algorithm": lambda s: s.by_hand({"alg": "none", "kid": "rsa-1"}, lambda _: b""),
    "no algorithm in capitals": lambda s: s.by_hand({"alg": "NONE", "kid": "rsa-1"}, lambda _: b""),
    "algorithm left out": lambda s: s.by_hand({"kid": "rsa-1"}, sign_rsa),
    "public key as HMAC secret": lambda s: s.by_hand(
        {"alg": "HS256", "kid": "rsa-1", "typ": "at+jwt"},
        lambda m: hmac.new(pem(RSA).encode(), m, hashlib.sha256).digest(),
    ),
    "its own key in the header": lambda s: s.sign(
        OTHER_RSA,
        header={"jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA.public_key()))},
    ),
    "its own key set by address": lambda s: s.sign(
        OTHER_RSA, header={"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x"}
    ),
    "a critical header": lambda s: s.sign(header={"crit": ["x"], "x": 1}),
    "an empty critical header": lambda s: s.by_hand(
        {"alg": "RS256", "kid": "rsa-1", "crit": []}, sign_rsa
    ),
    "an unencoded payload": lambda s: s.by_hand(
        {"alg": "RS256", "kid": "rsa-1", "b64": False, "crit": ["b64"]}, sign_rsa
    ),
    "a changed signature": lambda s: s.sign()[:-6] + "AAAAAA",
    "no signature": lambda s: s.sign().rpartition(".")[0] + ".",
    "another payload under a good signature": lambda s: ".".join(
        (s.sign().split(".")[0], s.sign(sub="reader-2").split(".")[1], s.sign().split(".")[2])
    ),
    "cut off": lambda s: s.sign()[:40],
    "two parts": lambda s: s.sign().rpartition(".")[0],
    "four parts": lambda s: s.sign() + ".x",
    "only dots": lambda _: "..",
    "empty": lambda _: "",
    "no base64": lambda _: "!.!.!",
    "a header that is a list": lambda _: b64(b"[]").decode() + ".e30.AA",
    "a header of 5,000 levels": lambda _: b64(b"[" * 5000).decode() + ".e30.AA",
    "not ASCII": lambda s: s.sign() + "ü",
    "9,000 characters": lambda s: s.sign(email="x" * 9000),
    "a JSON serialisation": lambda s: json.dumps({"payload": "", "signatures": []}),
}


def sign_rsa(message: bytes) -> bytes:
    algorithm = jwt.get_algorithm_by_name("RS256")
    return algorithm.sign(message, RSA)


@pytest.mark.parametrize("name", FORGED)
def test_a_token_is_refused_that_is(user_service: UserService, client: Client, name: str) -> None:
    token = FORGED[name](user_service)

    with pytest.raises(InvalidToken):
        verify(token)
    header = f"Bearer {token}".encode().decode("latin-1")
    response = client.get("/api/v1/echo/whoami", HTTP_AUTHORIZATION=header)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"
    assert response["WWW-Authenticate"] == "Bearer"


def test_the_forgeries_differ_from_a_good_token_in_one_thing(user_service: UserService) -> None:
    good = user_service.by_hand({"alg": "RS256", "kid": "rsa-1"}, sign_rsa)

    assert verify(good).subject == "reader-1"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": In(-20)},
        {"nbf": In(20)},
        {"iat": In(20)},
        {"aud": ["legato-payments", "other"]},
        {"exp": 4_102_444_800.5},
        {"scope": "openid profile unknown:scope"},
        {"roles": []},
        {"unknown": {"a": [1]}},
    ],
)
def test_a_token_is_accepted_with(user_service: UserService, claims: dict[str, Any]) -> None:
    assert verify(user_service.sign(**claims)).subject == "reader-1"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", None])
def test_the_type_may_be_an_access_token_or_left_open(
    user_service: UserService, typ: str | None
) -> None:
    assert verify(user_service.sign(typ=typ)).subject == "reader-1"


@pytest.mark.parametrize("typ", ["JWT", None])
def test_the_type_of_an_access_token_can_be_required(
    user_service: UserService, settings: Settings, typ: str | None
) -> None:
    settings.JWT_REQUIRE_AT_TYP = True

    assert verify(user_service.sign(typ="at+jwt")).subject == "reader-1"
    with pytest.raises(InvalidToken):
        verify(user_service.sign(typ=typ))


def test_one_key_needs_no_name(user_service: UserService, settings: Settings) -> None:
    settings.JWT_PUBLIC_KEYS = pem(EC)

    assert verify(user_service.sign(EC, alg="ES256", kid=None)).subject == "reader-1"
    with pytest.raises(InvalidToken):
        verify(user_service.sign(EC, alg="ES256", kid="another"))


def test_a_pem_key_without_a_name_goes_by_its_thumbprint(
    user_service: UserService, settings: Settings
) -> None:
    settings.JWT_PUBLIC_KEYS = pem(EC) + pem(ED)
    kid = thumbprint(ED.public_key())

    assert verify(user_service.sign(ED, alg="EdDSA", kid=kid)).subject == "reader-1"


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3."""
    x = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    key = ed25519.Ed25519PublicKey.from_public_bytes(x)

    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["RSA 1024", "P-384"],
)
def test_a_weak_or_unusual_key_is_refused(settings: Settings, key: Any) -> None:
    settings.JWT_PUBLIC_KEYS = pem(key)

    with pytest.raises(ImproperlyConfigured):
        key_source()
    with pytest.raises(ValueError, match="not RSA of 2048 bits"):
        VerificationKey.of(key.public_key())


def test_without_any_key_every_token_is_refused(
    user_service: UserService, settings: Settings
) -> None:
    settings.JWT_PUBLIC_KEYS = ""

    with pytest.raises(InvalidToken):
        verify(user_service.sign())


def test_a_user_is_what_the_token_says(user_service: UserService, settings: Settings) -> None:
    token = user_service.sign(
        sub="writer-1",
        client_id="web",
        roles=["writer", "reader"],
        scope="coins:read  openid",
        email="w@legato.example",
        act={"sub": "service:support"},
    )

    assert verify(token) == Principal(
        subject="writer-1",
        issuer=settings.JWT_ISSUER,
        client_id="web",
        roles=frozenset({"writer", "reader"}),
        scopes=frozenset({"coins:read", "openid"}),
        email="w@legato.example",
        act=None,
    )
    assert verify(token).actor == "user:writer-1"
    assert not verify(token).is_service


@pytest.mark.parametrize("act", ["reader-1", {"sub": "reader-1", "more": 1}])
def test_a_service_may_act_for_a_user(user_service: UserService, act: Any) -> None:
    principal = verify(user_service.sign(sub="service:content", azp="batch", act=act))

    assert principal.is_service
    assert principal.actor == "service:content"
    assert principal.act == "reader-1"
    assert principal.client_id == "batch"


@pytest.mark.parametrize("email", ["x", "@b.example", "a@", "a b@c.example", "a\n@b.example", ""])
def test_what_is_no_address_is_left_out(user_service: UserService, email: str) -> None:
    assert verify(user_service.sign(email=email)).email is None


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic cmVhZGVyOnB3", "Token abc", "bearerabc", "Negotiate x"],
)
def test_no_bearer_token_is_an_anonymous_caller(client: Client, header: str) -> None:
    response = client.get("/api/v1/echo/whoami", headers={"authorization": header})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_scheme_is_read_in_any_case(client: Client, form: str) -> None:
    header = form.format(tokens.issue("reader-1"))

    response = client.get("/api/v1/echo/whoami", headers={"authorization": header})

    assert response.json()["actor"] == "user:reader-1"


@pytest.mark.parametrize("form", ["Bearer {} {}", "Bearer {}, Bearer {}", "Bearer {},{}"])
def test_two_tokens_are_none(client: Client, form: str) -> None:
    token = tokens.issue("reader-1")

    response = client.get(
        "/api/v1/echo/whoami", headers={"authorization": form.format(token, token)}
    )

    assert response.status_code == 401


def test_a_bad_token_is_refused_even_where_none_is_needed(client: Client) -> None:
    assert client.get("/api/v1/echo").status_code == 200
    assert client.get("/api/v1/echo", headers={"authorization": "Bearer x"}).status_code == 401


def test_verifying_asks_no_database(user_service: UserService) -> None:
    """There is no ``db`` fixture here: a query would raise."""
    assert verify(user_service.sign()).subject == "reader-1"
