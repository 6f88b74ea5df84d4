"""Model fields that are encrypted in the database and plain text on the instance.

Traps:
- ``values()`` and ``values_list()`` give a ``Sealed``, never text: only an instance knows its row.
- ``update()`` and ``bulk_update()`` refuse text for the same reason: set it and ``save()`` the row.
- There is no lookup but ``isnull``: search by a ``BlindIndexField`` beside the encrypted one.
- The bytes hang on the primary key: to copy a row, read its encrypted fields before changing it.
- ``bulk_create(update_conflicts=True)`` is sound only when the conflict is on the primary key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, override

from django.core import checks
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query_utils import DeferredAttribute

from legato_payments.lib.keyring import (
    INDEX_BYTES,
    BadKeyRing,
    DecryptionFailed,
    KeyRing,
    blind_index,
    blind_indexes,
    key_number,
    key_ring,
    make_key,
)

__all__ = [
    "BadKeyRing",
    "BlindIndexField",
    "DecryptionFailed",
    "EncryptedTextField",
    "KeyRing",
    "Sealed",
    "blind_index",
    "blind_indexes",
    "encrypted_fields",
    "is_stale",
    "key_ring",
    "make_key",
    "needs_reencryption",
    "purpose_of",
    "reencrypt",
]

if TYPE_CHECKING:
    _TextField = models.TextField
    _BinaryField = models.BinaryField
else:
    # Fields are generic for the type checker only: null=True makes the attribute optional.
    class _TextField(models.TextField):
        __class_getitem__ = classmethod(lambda cls, _types: cls)

    class _BinaryField(models.BinaryField):
        __class_getitem__ = classmethod(lambda cls, _types: cls)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The stored bytes of an encrypted field; neither text nor bytes, so nobody mistakes them."""

    data: bytes = field(repr=False)


class _DecryptOnRead(DeferredAttribute):
    """Opens the stored bytes the first time the attribute is read, when the row is known."""

    @override
    def __get__(self, instance: models.Model | None, cls: type | None = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, Sealed):
            return value
        text = _unseal(self.field, instance, value)
        instance.__dict__[self.field.attname] = text
        return text

    def __set__(self, instance: models.Model, value: Any) -> None:
        if not (value is None or isinstance(value, str | Sealed)):
            raise TypeError(f"{self.field} takes text or None, not {type(value).__name__}")
        instance.__dict__[self.field.attname] = value


class EncryptedTextField[Set, Get](_TextField[Set, Get]):
    """Text that is ciphertext in the database; see the module for its traps.

    The model needs a primary key that is known before the row is saved: a uuid or text.
    """

    descriptor_class = _DecryptOnRead
    description = "Encrypted text"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    @override
    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """As Django writes it in migrations; not editable is what we assume."""
        name, path, args, kwargs = super().deconstruct()
        if kwargs.pop("editable", True):
            kwargs["editable"] = True
        return name, path, list(args), kwargs

    @override
    def get_internal_type(self) -> str:
        """Stored as ``bytea``."""
        return "BinaryField"

    @override
    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Refuse models whose primary key the database makes, and uses that cannot work."""
        problems: list[checks.CheckMessage] = list(super().check(**kwargs))
        if not _is_known_before_saving(_options(self.model).pk):
            problems.append(
                checks.Error(
                    f"{self} is encrypted for its row, so the primary key must be known before "
                    "the row is saved.",
                    hint="Use a UUIDField or a text field as primary key, made by the client.",
                    obj=self,
                    id="legato.E020",
                )
            )
        if self.unique or vars(self)["db_index"] or self.has_default() or self.has_db_default():
            problems.append(
                checks.Error(
                    f"{self} cannot be unique, indexed or have a default: it is ciphertext.",
                    hint="Put a BlindIndexField beside it and make that unique or indexed.",
                    obj=self,
                    id="legato.E021",
                )
            )
        return problems

    def from_db_value(self, value: Any, *_: Any) -> Sealed | None:
        """Wrap the stored bytes; they are opened where the row is known."""
        return None if value is None else Sealed(bytes(value))

    @override
    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:
        """Seal the text for the row, with the newest key."""
        text = getattr(model_instance, self.attname)
        if text is None:
            return None
        purpose, row = purpose_of(self), _row(self, model_instance)
        return Sealed(key_ring().seal(text, purpose=purpose, row=row))

    @override
    def get_prep_value(self, value: Any) -> Any:
        """Let nothing but sealed bytes through to the database."""
        if value is None or isinstance(value, Sealed):
            return value
        raise TypeError(f"{self} is encrypted for its row: set the attribute and save() the row")

    @override
    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """The sealed bytes as the driver takes them."""
        value = value if prepared else self.get_prep_value(value)
        return value.data if isinstance(value, Sealed) else value

    @override
    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull``: equal texts are different bytes."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    @override
    def value_to_string(self, obj: models.Model) -> str:
        """Refuse: ``dumpdata`` would write the plain text to a file."""
        raise TypeError(f"{self} is encrypted and cannot be serialised")


class BlindIndexField[Set, Get](_BinaryField[Set, Get]):
    """Follows an encrypted field of the same model, so that its value can be searched for.

    ``Customer.objects.filter(email_index__in=blind_indexes(email, "payments_customer.email"))``

    It is computed when the row is saved: ``save(update_fields=...)`` must name both fields.
    """

    def __init__(self, *args: Any, of: str = "", **kwargs: Any) -> None:
        self.of = of
        kwargs.setdefault("max_length", INDEX_BYTES)
        super().__init__(*args, **kwargs)

    @override
    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """As Django writes it in migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, list(args), {**kwargs, "of": self.of}

    @override
    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        """The index of the text as it is now; none for no text."""
        text = getattr(model_instance, self.of)
        source = _options(model_instance).get_field(self.of)
        index = None if text is None else blind_index(text, purpose_of(source))
        setattr(model_instance, self.attname, index)
        return index


def encrypted_fields(model: type[models.Model]) -> list[EncryptedTextField[Any, Any]]:
    """The encrypted fields of a model."""
    fields = _options(model).concrete_fields
    return [found for found in fields if isinstance(found, EncryptedTextField)]


def is_stale(value: Any) -> bool:
    """Whether a stored value was sealed with another key than the newest, or not at all."""
    if not isinstance(value, Sealed):
        return False
    try:
        return key_number(value.data) != key_ring().active
    except DecryptionFailed:
        return True


def needs_reencryption(instance: models.Model) -> bool:
    """Whether a field of this instance, as it came from the database, is stale."""
    names = [found.attname for found in encrypted_fields(type(instance))]
    return any(is_stale(instance.__dict__.get(name)) for name in names)


def reencrypt(instance: models.Model) -> None:
    """Seal every encrypted field of one row with the newest key, blind indexes included.

    The caller holds the row's lock: a change made meanwhile would be overwritten.

    Raises:
        DecryptionFailed: A field does not open; nothing is written.
    """
    names = list(_names_to_rewrite(type(instance)))
    if names:
        instance.save(update_fields=names)


def purpose_of(of_field: Any) -> str:
    """``table.column``: what a value is sealed for, together with its row."""
    return f"{_options(of_field.model).db_table}.{of_field.column}"


def _names_to_rewrite(model: type[models.Model]) -> Iterator[str]:
    for found in _options(model).concrete_fields:
        if isinstance(found, EncryptedTextField | BlindIndexField):
            yield found.name


def _unseal(of_field: Any, instance: models.Model, value: Sealed) -> str:
    purpose, row = purpose_of(of_field), _row(of_field, instance)
    try:
        return key_ring().unseal(value.data, purpose=purpose, row=row)
    except DecryptionFailed as error:
        raise DecryptionFailed(f"{purpose} of row {row}: {error}") from error


def _row(of_field: Any, instance: models.Model) -> str:
    key_field = _options(instance).pk
    # A uuid may have been given as text: one row, one spelling.
    key = key_field.to_python(instance.pk)
    if key is None or hasattr(key, "resolve_expression"):
        raise TypeError(f"{of_field} is encrypted for its row, which has no primary key yet")
    return str(key)


def _is_known_before_saving(key_field: Any) -> bool:
    if isinstance(key_field, models.ForeignKey):
        return _is_known_before_saving(key_field.target_field)
    is_client_made = isinstance(key_field, models.UUIDField | models.CharField | models.TextField)
    return is_client_made and not key_field.has_db_default()


def _options(model: Any) -> Any:
    return model._meta  # noqa: SLF001 -- public in spite of its name: docs/ref/models/meta
