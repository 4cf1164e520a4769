"""What the agents of the ten-agent mesh decide without a database."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mesh_activities.affinity import pairs_of, popular, ranked
from mesh_activities.chain import FIRST, Link, breaks, canonical, digest_of
from mesh_activities.contents import items_of, with_items, with_restored, without_items
from mesh_activities.quotation import Priced, quoted
from mesh_agents.cart import CartFull, Change
from mesh_agents.catalog import PriceChanged, PriceList, Product, Quote, QuoteTooLarge, UnknownProduct, Wanted
from mesh_agents.checkout import CheckoutRequest, NewPrices
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import MINOR_DIGITS, Money
from mesh_agents.recommendation import Bought
from mesh_agents.records import NewRecord
from sagamesh import BusinessError, Message
from sagamesh.failure import field_problems

TEA = {"sku": "tea", "quantity": 1}
EURO = {"amount": "1.00", "currency": "EUR"}
CHECKOUT = {"customer": "ada", "session": "s-1", "items": [TEA], "currency": "EUR", "payment_method": "pm_card_visa"}

skus = st.sampled_from(["tea", "cup", "pot", "milk"])
contents = st.dictionaries(skus, st.integers(1, 9_000))
lines = st.dictionaries(skus, st.integers(1, 900)).map(items_of)
purchases = st.lists(st.sets(skus, min_size=1), max_size=12)


@pytest.mark.parametrize(
    ("model", "value", "problem"),
    [
        (CheckoutRequest, {**CHECKOUT, "items": []}, "items: are needed where no cart is named"),
        (CheckoutRequest, {**CHECKOUT, "items": [TEA, TEA]}, "items[1].sku: tea stands here more than once"),
        (CheckoutRequest, {**CHECKOUT, "session": "a b"}, "session: String should match"),
        (CheckoutRequest, {**CHECKOUT, "password": "x"}, "password: Extra inputs are not permitted"),
        (Change, {"owner": "ada", "cart": "c", "items": [TEA, TEA]}, "items[1].sku: tea stands here"),
        (Wanted, {"items": [TEA, TEA], "currency": "EUR"}, "items[1].sku: tea stands here"),
        (Wanted, {"items": [TEA], "currency": "XXX"}, "currency: 'XXX' is not accepted"),
        (Bought, {"event": "e", "skus": ["tea", "cup", "tea"]}, "skus[2]: tea stands here more than once"),
        (Product, {"sku": "tea", "title": "Tea", "prices": [EURO, EURO]}, "prices[1].currency: EUR stands here"),
        (
            Product,
            {"sku": "tea", "title": "Tea", "prices": [{"amount": "0.00", "currency": "EUR"}]},
            "prices[0].amount: must be more than 0",
        ),
        (
            PriceList,
            {"products": [{"sku": "tea", "title": "Tea", "prices": [EURO]}] * 2},
            "products[1].sku: tea stands here more than once",
        ),
        (
            NewPrices,
            {"name": "a", "products": [{"sku": "tea", "title": "Tea", "prices": [EURO]}] * 2},
            "products[1].sku: tea stands here more than once",
        ),
        (NewRecord, {"collection": "a", "name": "b", "body": {"x": "y" * 70_000}}, "at most 65,536 are kept"),
        (NewRecord, {"collection": "Orders", "name": "b", "body": {}}, "collection: String should match"),
    ],
)
def test_bad_input_is_refused_by_its_field(model: type[Message], value: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(value)
    assert any(problem in str(each) for each in field_problems(refused.value)), field_problems(refused.value)


@pytest.mark.parametrize(
    ("items", "expected", "refusal"),
    [
        ({"tea": 3, "cup": 1}, None, None),
        ({"tea": 3, "cup": 1}, "21.30", None),
        ({"tea": 3, "cup": 1}, "21.31", PriceChanged),
        ({"tea": 3, "pot": 1}, "21.30", UnknownProduct),
        ({"house": 10_000}, None, QuoteTooLarge),
    ],
)
def test_a_quote(items: dict[str, int], expected: str | None, refusal: type[BusinessError] | None) -> None:
    prices = {
        "tea": Priced("Tea", Decimal("3.10")),
        "cup": Priced("A cup", Decimal("12.00")),
        "house": Priced("A house", Decimal("9999999.00")),
    }

    def quote() -> Any:
        total = None if expected is None else Decimal(expected)
        wanted = [ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in items.items()]
        return quoted(wanted, prices, "EUR", price_list=7, expected_total=total)

    if refusal is not None:
        with pytest.raises(refusal):
            quote()
    else:
        found, total = quote()
        assert [(line.sku, line.quantity) for line in found] == list(items.items())
        assert total.amount == sum(line.quantity * line.unit_price for line in found)


@given(st.data(), st.sampled_from(sorted(MINOR_DIGITS)), lines.filter(bool))
def test_whatever_is_quoted_can_be_ordered(data: st.DataObject, currency: str, items: tuple[ItemQuantity, ...]) -> None:
    minor = st.integers(1, 10**10 - 1).map(lambda number: Decimal(number).scaleb(-MINOR_DIGITS[currency]))
    list_of_prices = PriceList(
        products=tuple(
            Product(sku=item.sku, title="x", prices=(Money(amount=data.draw(minor), currency=currency),))
            for item in items
        )
    )
    prices = {product.sku: Priced(product.title, product.prices[0].amount) for product in list_of_prices.products}
    try:
        found, total = quoted(items, prices, currency, price_list=1, expected_total=None)
    except QuoteTooLarge:
        return
    request = CheckoutRequest.model_validate(CHECKOUT)
    order = request.order(Quote(price_list=1, lines=found, total=total))  # the order's own checks are in its model
    assert (order.money, order.items) == (total, items)


@given(contents, lines)
def test_what_is_put_in_and_taken_out_leaves_what_was_there(
    before: dict[str, int], items: tuple[ItemQuantity, ...]
) -> None:
    after = with_items(before, items, owner="ada", cart="c")
    assert Counter(after) == Counter(before) + Counter({item.sku: item.quantity for item in items})
    assert without_items(after, items) == before
    assert without_items({}, items) == {}
    assert with_restored(before, items) == after


def test_a_cart_has_limits() -> None:
    many = [ItemQuantity(sku=f"s-{n}", quantity=1) for n in range(101)]
    with pytest.raises(CartFull, match="100 different"):
        with_items({}, many, owner="ada", cart="c")
    with pytest.raises(CartFull, match="10,000 of tea"):
        with_items({"tea": 10_000}, [ItemQuantity(sku="tea", quantity=1)], owner="ada", cart="c")
    assert with_restored({"tea": 9_999}, [ItemQuantity(sku="tea", quantity=9)]) == {"tea": 10_000}


@given(purchases, st.sets(skus, min_size=1))
def test_scores_are_cosines(bought: list[set[str]], context: set[str]) -> None:
    counts = Counter(sku for each in bought for sku in each)
    together = Counter(pair for each in bought for pair in combinations(sorted(each), 2))
    found = ranked(sorted(context), counts, together, 10)
    assert not {each.sku for each in found} & context
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    for each in found:
        cosines = [
            sum(1 for purchase in bought if {known, each.sku} <= purchase) / (counts[known] * counts[each.sku]) ** 0.5
            for known in context
            if counts[known]
        ]
        assert each.score == pytest.approx(sum(cosines) / len(context), abs=1e-4)
    for share in popular(counts, len(bought), 10):
        assert share.score == pytest.approx(counts[share.sku] / len(bought), abs=1e-4)


def test_pairs_are_in_one_order() -> None:
    assert pairs_of(["tea", "cup", "pot"]) == [("cup", "pot"), ("cup", "tea"), ("pot", "tea")]


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)), min_size=1, max_size=6))
def test_a_chain_breaks_where_it_was_changed(bodies: list[dict[str, Any]]) -> None:
    links: list[Link] = []
    for n, body in enumerate(bodies, start=1):
        assert canonical(body) == canonical(dict(reversed(body.items())))
        text = canonical(body)
        links.append(Link(n, text, digest_of(links[-1].digest if links else FIRST, text)))
    assert breaks("r", links) == []
    for n, link in enumerate(links):
        forged = [*links[:n], link._replace(body=link.body + " "), *links[n + 1 :]]
        assert breaks("r", forged) == [f"r: version {n + 1} is not what was filed"]
    for n in range(len(links) - 1):
        assert f"r: version {n + 1} is missing, {n + 2} stands in its place" in breaks("r", links[:n] + links[n + 1 :])
