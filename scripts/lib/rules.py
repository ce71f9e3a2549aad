"""The fixed rules by which bought data becomes whole baskets; shared by foodmart.py, small.py and journey.py.

The data sets hold one price for each product, no tax, no weights and no returns: their plain sums would prove
nothing. So a fixed rule gives each product a tax rate and a unit, and each basket its discounts, its means of
payment and its refund. Everything is drawn from `mark`, a hash of names: the same on every machine and in every
run, and documented here:

* a line whose mark("line", basket, position, sku) ends in 0 (of 10) has 10 % off; one in 31 has a fixed 0.25 off
  (25 minor units), so some lines have both, in that order;
* a basket whose mark("order", basket) is 0 of 12 has 5 % off the order; 1 of 25 brings a coupon of 2.00;
* a basket pays by mark("pay", basket) % 5: 0 and 1 cash, 2 and 3 card, 4 half card and the rest cash;
* a basket whose mark("refund", basket) is 0 of 40 brings back one unit (of a weighed line: all of it) of the line
  mark("refund line", basket) % lines; every third of them is damaged; every second gets its money on the card;
* a unit of a weighed product weighs 120 + mark("grams", basket, position, sku) % 880 grams.
"""

import hashlib
import json


def mark(*names) -> int:
    """A number that depends on nothing but the names."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


def check_digit(digits: str) -> str:
    """The check digit of any GTIN, from the digits before it."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def grams(basket: str, position: int, sku: str, units: int) -> int:
    return units * (120 + mark("grams", basket, position, sku) % 880)


def line(basket: str, position: int, sku: str, units: int, weighed: bool) -> dict:
    """One line of a basket, in the shape of PUT /v1/sales."""
    discounts = []
    drawn = mark("line", basket, position, sku)
    if drawn % 10 == 0:
        discounts.append({"kind": "percent", "value": 100_000, "reason": "offer"})
    if drawn % 31 == 1:
        discounts.append({"kind": "fixed", "value": 25, "reason": "damaged box"})
    milli = grams(basket, position, sku, units) if weighed else units * 1000
    out = {"sku": sku, "quantity_milli": milli}
    if discounts:
        out["discounts"] = discounts
    return out


def order_discounts(basket: str) -> list[dict]:
    drawn = mark("order", basket)
    discounts = []
    if drawn % 12 == 0:
        discounts.append({"kind": "percent", "value": 50_000, "reason": "regular customer"})
    if drawn % 25 == 1:
        discounts.append({"kind": "fixed", "value": 200, "reason": "coupon", "coupon": "WELCOME2"})
    return discounts


def pay(basket: str) -> str:
    return ("cash", "cash", "card", "card", "mixed")[mark("pay", basket) % 5]


def refund(basket: str, lines: list[dict], weighed: list[bool]) -> dict | None:
    if mark("refund", basket) % 40:
        return None
    at = mark("refund line", basket) % len(lines)
    how = mark("refund how", basket)
    return {
        "line": at,
        "quantity_milli": lines[at]["quantity_milli"] if weighed[at] else 1000,
        "condition": "waste" if how % 3 == 0 else "resell",
        "tender": "card" if how % 2 == 0 else "cash",
        "reason": "changed mind",
    }


def basket(store, name: str, bought: list[tuple[str, int, bool]], **more) -> dict:
    """A whole basket: bought is (sku, units, weighed) for each line."""
    lines = [line(name, i, sku, units, weighed) for i, (sku, units, weighed) in enumerate(bought)]
    out = {"store": store, "basket": name, **more, "lines": lines, "pay": pay(name)}
    if discounts := order_discounts(name):
        out["discounts"] = discounts
    if back := refund(name, lines, [weighed for _, _, weighed in bought]):
        out["refund"] = back
    return out


def demand(baskets: list[dict], weighed: dict[str, bool]) -> dict[str, int]:
    """Base units that the busiest store sells of each product, a tenth on top, rounded up to whole cases."""
    sold: dict[tuple, int] = {}
    for one in baskets:
        for item in one["lines"]:
            key = (one["store"], item["sku"])
            units = item["quantity_milli"] if weighed[item["sku"]] else item["quantity_milli"] // 1000
            sold[key] = sold.get(key, 0) + units
    most: dict[str, int] = {}
    for (_, sku), units in sold.items():
        most[sku] = max(most.get(sku, 0), units)
    case = {sku: 1000 if weighed[sku] else 12 for sku in weighed}
    return {sku: -(-(most.get(sku, 0) * 11 // 10 + 1) // case[sku]) * case[sku] for sku in weighed}


def write_lines(path: str, records) -> int:
    """Writes NDJSON; the file appears whole or not at all."""
    import os

    count = 0
    with open(path + ".new", "w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    os.replace(path + ".new", path)
    return count
