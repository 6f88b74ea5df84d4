"""The audit log: who changed what, and why."""

from collections.abc import Callable, Iterator, Mapping

from django.contrib import admin

from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, columns, people, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table
from payments.models import AuditEntry

SHOWN = 20

UNITS: Mapping[str, Callable[[int], str]] = {
    "_micros": lambda micros: cells.figure(micros, "", digits=cells.digits_for([micros], "USD")),
    "_ppm": cells.ppm,
    "_bps": cells.percent,
}
"""How a whole number is told whose name ends so."""


@admin.display(description="Object")
def words_object(entry: AuditEntry) -> str:
    """What was changed."""
    return f"{entry.object_type} {entry.object_id}"


@admin.register(AuditEntry)
class AuditAdmin(RecordAdmin):
    """Append-only, in the database too."""

    list_display = [
        columns.moment("occurred_at"),
        columns.person("actor"),
        columns.code("action"),
        words_object,
        columns.words("reason"),
    ]
    search_fields = ["pk", "actor", "object_id", "action__startswith", "request_id"]
    search_help_text = "Login or actor, object, request or action"
    ordering = ["-id"]
    nothing_yet = "Nothing was changed yet."

    facts = (
        columns.moment("occurred_at"),
        columns.person("actor"),
        columns.code("action"),
        "object_type",
        columns.copyable("object_id"),
        columns.words("reason"),
        columns.copyable("request_id"),
        columns.copyable("id"),
    )

    def sections(self, obj: AuditEntry) -> Iterator[Section]:
        """Before and after, side by side."""
        yield differences(obj)


def differences(entry: AuditEntry) -> Table:
    """Every member of the two states; those that differ are marked."""
    return compared(entry.before, entry.after)


def compared(before_state: object, after_state: object) -> Table:
    """Two states of something, member by member; those that differ are marked."""
    before, after = _flat(before_state), _flat(after_state)
    rows = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, cells.EMPTY), after.get(name, cells.EMPTY)
        is_change = bool(before) and old != new
        rows.append([name, old, new, cells.mark("changed", Tone.WARN) if is_change else ""])
    return Table(
        title="Before and after",
        headings=["What", "Before", "After", ""],
        rows=rows,
        empty="The entry names the event only.",
    )


def words_of(action: str) -> str:
    """``Difference taken`` of ``payments.difference.taken``."""
    return action.partition(".")[2].replace(".", " ").replace("_", " ").capitalize() or action


def history_of(object_type: str, object_id: object) -> Table:
    """What the audit log says of one object."""
    entries = AuditEntry.objects.filter(object_type=object_type, object_id=str(object_id))
    shown, note = tables.newest(entries.order_by("-id")[: SHOWN + 1], SHOWN)
    return Table(
        title="Audit",
        headings=["When", "Action", "By", "Reason"],
        rows=[
            [
                cells.moment(entry.occurred_at),
                cells.link(entry, words_of(entry.action)),
                people.name_of(entry.actor),
                entry.reason or cells.EMPTY,
            ]
            for entry in shown
        ],
        empty="Nothing was changed yet.",
        note=note,
    )


def _flat(state: object, prefix: str = "") -> dict[str, str]:
    if not isinstance(state, dict):
        return {}
    flat: dict[str, str] = {}
    for name, value in state.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name} ")
        else:
            flat[_label(f"{prefix}{name}")] = _told(name, value)
    return flat


def _label(name: str) -> str:
    """``Tax name`` of ``tax_name``, without the unit that the value tells."""
    words = name.removeprefix("is_")
    for unit in UNITS:
        words = words.removesuffix(unit)
    words = words.replace("_", " ")
    return words[:1].upper() + words[1:]


def _told(name: str, value: object) -> str:
    """One member of a state: no raw unit, no truth in a programmer's words, staff by login."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        unit = next((unit for unit in UNITS if name.endswith(unit)), "")
        return UNITS[unit](value) if unit else f"{value:,}"
    return people.name_of(value) if isinstance(value, str) and value else cells.plain(value)
