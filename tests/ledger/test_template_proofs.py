"""payments.ledger.templates: every template nets to zero in every unit, for every input.

A template is run on opaque symbols in place of amounts. What comes out are linear forms, and their
sum per unit must vanish identically. A symbol cannot be compared, multiplied or rounded, so no
template can take another path for another amount; only whether it is zero may be asked, and every
combination of zeros is run as well. So a sum that vanishes here vanishes for all inputs.
"""

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import pytest
from django.conf import settings

from payments.enums import BOOK_CURRENCY, Currency, TransactionKind
from payments.ledger import chart, debt_templates, templates
from payments.ledger.chart import AccountRef
from payments.ledger.templates import Draft, Line, credit, debit

type Template = Callable[..., Draft]
type Arguments = dict[str, Any]


class Amount:
    """A linear form over opaque symbols, for example ``price + tax``."""

    def __init__(self, terms: Mapping[str, int]) -> None:
        self.terms = {name: factor for name, factor in terms.items() if factor}

    def __add__(self, other: "Amount | int") -> "Amount":
        total = Counter(self.terms)
        total.update(_form(other).terms)
        return Amount(total)

    __radd__ = __add__

    def __neg__(self) -> "Amount":
        return Amount({name: -factor for name, factor in self.terms.items()})

    def __sub__(self, other: "Amount | int") -> "Amount":
        return self + -_form(other)

    def __rsub__(self, other: "Amount | int") -> "Amount":
        return _form(other) - self

    def __eq__(self, other: object) -> bool:
        if type(other) is not int or other != 0:
            self._refuse()
        return not self.terms

    def __repr__(self) -> str:
        return " ".join(f"{factor:+d}*{name}" for name, factor in self.terms.items()) or "0"

    def _refuse(self, *_operands: object) -> NoReturn:
        raise TypeError("a template may only add and subtract amounts")

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __mul__ = __rmul__ = __floordiv__ = __truediv__ = __mod__ = __abs__ = __int__ = _refuse
    __hash__ = _refuse


def _form(value: "Amount | int") -> Amount:
    if isinstance(value, Amount):
        return value
    assert value == 0, f"a template adds the constant {value}"
    return Amount({})


def _symbols(*names: str) -> Iterator[list[Amount]]:
    """Every combination of an opaque symbol and zero."""
    for present in product([1, 0], repeat=len(names)):
        yield [Amount({name: factor}) for name, factor in zip(names, present, strict=True)]


def _shares() -> Iterator[dict[str, Amount]]:
    """No writer, one, several; with and without a share for each."""
    for number in (0, 1, 2, 3):
        writers = [f"writer-{index}" for index in range(number)]
        for amounts in _symbols(*writers):
            yield dict(zip(writers, amounts, strict=True))
    many = [f"writer-{index}" for index in range(40)]
    yield {writer: Amount({writer: 1}) for writer in many}


def _parts(name: str) -> Iterator[dict[str, Amount]]:
    """The same with fewer choices, for a template that takes several mappings."""
    for number in (0, 1, 3):
        owners = [f"{name}-{index}" for index in range(number)]
        yield {owner: Amount({owner: 1}) for owner in owners}
    yield {f"{name}-none": Amount({})}


def _balanced_lines() -> Iterator[list[Any]]:
    """What a mirror image takes: any balanced transaction, of accounts that all of them know."""
    for number in (2, 3, 7):
        amounts = [Amount({f"line-{index}": 1}) for index in range(number - 1)]
        coins = Amount({"coins": 1})
        yield [
            *(Line(chart.coins_deferred(), amount) for amount in amounts),  # type: ignore[arg-type]
            Line(chart.coins_deferred(), -sum(amounts, Amount({}))),  # type: ignore[arg-type]
            Line(chart.wallet("reader"), coins),  # type: ignore[arg-type]
            Line(chart.coins_issued(), -coins),  # type: ignore[arg-type]
        ]


def _cases(template: Template) -> Iterator[Arguments]:
    """All arguments to run a template on. One that takes something new needs a line here."""
    choices: list[list[Any]] = []
    hints = {n: t for n, t in get_type_hints(template).items() if n != "return"}
    amounts = [name for name, kind in hints.items() if kind is int]
    has_many = list(hints.values()).count(Mapping[str, int]) > 1
    for name, kind in hints.items():
        if kind is int:
            choices.append([None])
        elif kind is str:
            choices.append(list(Currency) if name == "currency" else [f"some-{name}"])
        elif kind == Mapping[str, int]:
            choices.append(list(_parts(name) if has_many else _shares()))
        elif kind == Sequence[Line]:
            choices.append(list(_balanced_lines()))
        else:
            pytest.fail(f"{template.__name__}: say here what {name} ({kind}) can be")
    for chosen in product(*choices):
        arguments = dict(zip(hints, chosen, strict=True))
        for symbols in _symbols(*amounts):
            case = {**arguments, **dict(zip(amounts, symbols, strict=True))}
            # For the book currency the caller gives one number twice (docstring of the template).
            if (
                case.get("currency") == BOOK_CURRENCY
                and {"price", "value"} <= set(amounts)
                and ("goodwill" not in case)
            ):
                case["value"] = case["price"]
            yield case


def prove(template: Template) -> list[Draft]:
    """Run a template on everything; what it made nets to zero per unit."""
    drafts = []
    for case in _cases(template):
        draft = template(**case)
        rest: dict[str, Amount] = {}
        for line in draft.lines:
            unit = line.account.unit
            rest[unit] = rest.get(unit, Amount({})) + line.amount
        assert not any(form.terms for form in rest.values()), f"{rest} remains of {case}"
        drafts.append(draft)
    return drafts


TEMPLATES: dict[str, Template] = {
    name: function
    for module in (templates, debt_templates)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if not name.startswith("_") and get_type_hints(function).get("return") is Draft
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_nets_to_zero_for_every_input(name: str) -> None:
    assert prove(TEMPLATES[name])


MIRRORS = (TransactionKind.REVERSAL, TransactionKind.REFUND_FAILED, TransactionKind.LOSS_UNDONE)
"""Whose lines are those of another transaction."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_touches_the_accounts_of_its_kind_and_no_others(name: str) -> None:
    drafts = prove(TEMPLATES[name])

    (kind,) = {draft.kind for draft in drafts}
    touched = {line.account.head for draft in drafts for line in draft.lines}
    if kind in MIRRORS:
        assert touched <= templates.ACCOUNTS[kind]
    else:
        assert touched == templates.ACCOUNTS[kind]
    assert touched <= set(chart.CHART)


def test_every_kind_has_exactly_one_template() -> None:
    kinds = [prove(template)[0].kind for template in TEMPLATES.values()]

    assert sorted(kinds) == sorted(TransactionKind)
    assert set(templates.ACCOUNTS) == set(TransactionKind)


def test_a_line_of_zero_is_left_out() -> None:
    draft = templates.tip(user_id="reader", coins=10, value=0, shares={"writer": 0})

    assert [line.account.head for line in draft.lines] == ["wallet", "coins_issued"]


def test_a_template_cannot_touch_the_account_of_another_kind() -> None:
    lines = [debit(chart.coins_deferred(), 5), credit(chart.gateway("STRIPE", "USD"), 5)]

    with pytest.raises(AssertionError, match="may not touch"):
        templates._draft(TransactionKind.TIP, lines)


# Planted faults: the proof would notice.


def _platform_keeps_all(*, user_id: str, value: int, shares: Mapping[str, int]) -> Draft:
    writers = [credit(chart.writer(writer), part) for writer, part in shares.items()]
    lines = [debit(chart.coins_deferred(), value), *writers, credit(chart.platform("tips"), value)]
    return Draft(TransactionKind.TIP, tuple(lines))


def _forgets_a_fee_of_nothing(*, price: int, tax: int) -> Draft:
    rest = credit(chart.coins_deferred(), price)
    if tax == 0:
        rest = credit(chart.coins_deferred(), price + price)
    lines = [debit(chart.gateway("X", "USD"), price + tax), rest, credit(_tax(), tax)]
    return Draft(TransactionKind.COIN_PURCHASE, tuple(lines))


def _pays_dollars_for_coins(*, coins: int) -> Draft:
    lines = (debit(chart.wallet("reader"), coins), credit(chart.coins_deferred(), coins))
    return Draft(TransactionKind.TIP, lines)


def _rounds_both_parts(*, value: int) -> Draft:
    lines = (
        debit(chart.coins_deferred(), value),
        credit(chart.writer("w"), value * 65 // 100),
        credit(chart.platform("tips"), value * 35 // 100),
    )
    return Draft(TransactionKind.TIP, lines)


def _differs_for_large_amounts(*, value: int) -> Draft:
    kept = value if value < 1_000_000 else 0
    return Draft(TransactionKind.TIP, (debit(chart.fx("USD"), value), credit(_tax(), kept)))


def _tax() -> AccountRef:
    return chart.tax_payable("CA-QC", "USD")


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (_platform_keeps_all, AssertionError),
        (_forgets_a_fee_of_nothing, AssertionError),
        (_pays_dollars_for_coins, AssertionError),
        (_rounds_both_parts, TypeError),
        (_differs_for_large_amounts, TypeError),
    ],
)
def test_the_proof_refuses_a_planted_fault(wrong: Template, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        prove(wrong)


# The only way in.

PRODUCT = ("payments", "revenue", "access", "legato_payments")
LEDGER = Path("payments/ledger")
PRIVATE = ("payments_post(", "payments_burn(")


def _product_files(pattern: str) -> Iterator[tuple[Path, str]]:
    for folder in PRODUCT:
        for file in sorted((settings.BASE_DIR / folder).rglob(pattern)):
            yield file.relative_to(settings.BASE_DIR), file.read_text()


def _calls(source: str, name: str) -> bool:
    called = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(name in (getattr(f, "id", None), getattr(f, "attr", None)) for f in called)


def test_only_the_ledger_makes_drafts() -> None:
    makers = [path for path, source in _product_files("*.py") if _calls(source, "Draft")]

    assert makers == [LEDGER / "templates.py"]


def test_only_the_ledger_calls_its_sql_functions() -> None:
    callers = [path for path, source in _product_files("*.py") if _names_private(source)]
    definers = [path for path, source in _product_files("*.sql") if _names_private(source)]

    assert callers == [LEDGER / "balances.py", LEDGER / "posting.py"]
    assert {path.parent for path in definers} == {Path("payments/migrations/sql")}


def _names_private(source: str) -> bool:
    return any(name in source for name in PRIVATE)
