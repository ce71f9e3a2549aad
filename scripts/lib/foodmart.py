#!/usr/bin/env python3
"""Makes Tradepost's catalog and baskets from the FoodMart data set (Apache-2.0, net.hydromatic).

    foodmart.py FOODMART.jar FOLDER

Writes into FOLDER:
    catalog.ndjson   settings, taxes, 1,560 products, prices, opening stock: what `catalog import` reads
    baskets.ndjson   the 5,492 baskets of stores 13 and 19 in 1998, one JSON object a line
    stores.ndjson    the 24 stores by their real numbers, names and towns
    NOTICE           the data set's own notice

A basket is everything that one customer bought in one store on one day. By a fixed rule (and lib/rules.py):
* SKU: the data set's own eleven digits; with the check digit they are a valid UPC-A, which is the GTIN;
* price: the suggested retail price in cents, without tax, as is usual where these stores are;
* tax: `zero` for magazines, `food` for what is eaten, `standard` for the rest, `spirits` for alcoholic drinks;
* weighed (priced by the kilogram, counted in grams, with a PLU): fresh fruit and vegetables, nuts, deli meat, fresh
  chicken, hamburger, fresh fish and shellfish.
"""

import json
import os
import sys
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rules  # noqa: E402

STORES = (13, 19)
TAXES = {"zero": 0, "food": 50_000, "standard": 88_750, "spirits": 135_000}
WEIGHED = {
    "Fresh Fruit",
    "Fresh Vegetables",
    "Nuts",
    "Deli Meats",
    "Bologna",
    "Fresh Chicken",
    "Hamburger",
    "Fresh Fish",
    "Shellfish",
}


def table(jar: zipfile.ZipFile, name: str):
    with jar.open(name + ".json") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def tax_of(kind: dict) -> str:
    if kind["product_department"] == "Periodicals":
        return "zero"
    if kind["product_subcategory"] in ("Beer", "Wine"):
        return "spirits"
    return "standard" if kind["product_family"] == "Non-Consumable" else "food"


def products(jar: zipfile.ZipFile) -> dict[int, dict]:
    """Products by the data set's number, as catalog records."""
    kinds = {kind["product_class_id"]: kind for kind in table(jar, "product_class")}
    out = {}
    for row in table(jar, "product"):
        kind = kinds[row["product_class_id"]]
        sku = str(row["SKU"])
        weighed = kind["product_subcategory"] in WEIGHED
        out[row["product_id"]] = {
            "type": "product",
            "sku": sku,
            "name": row["product_name"],
            "category": kind["product_subcategory"],
            "gtins": [sku + rules.check_digit(sku)],
            "plu": 20_000 + row["product_id"] if weighed else None,
            "unit": {"base": "Gram", "base_per_unit": 1000} if weighed else {"base": "Piece", "base_per_unit": 1},
            "tax_category": tax_of(kind),
            "min_age": None,
            "policy": "InHand",
            "weighed": weighed,
            "serialised": False,
            "active": True,
            "cost": None,
            "_price": round(row["SRP"] * 100),
        }
    return out


def settings() -> dict:
    return {
        "type": "settings",
        "currency": "USD",
        "prices_include_tax": False,
        "rounding": "HalfAwayFromZero",
        "tax_policy": "Group",
        "cash_step": 5,
        "time_zone": "America/Los_Angeles",
        "header": ["FoodMart"],
    }


def catalog(goods: dict[int, dict], stock: dict[str, int]):
    yield settings()
    for category, ppm in TAXES.items():
        yield {"type": "tax", "category": category, "ppm": ppm}
    for product in goods.values():
        yield {key: value for key, value in product.items() if not key.startswith("_")}
    for product in goods.values():
        yield {"type": "price", "list": "", "sku": product["sku"], "price": product["_price"], "valid_from": 0}
    for product in goods.values():
        yield {"type": "stock", "sku": product["sku"], "units": stock[product["sku"]]}


def baskets(jar: zipfile.ZipFile, goods: dict[int, dict]) -> list[dict]:
    dates = {day["time_id"]: day["the_date"][:10] for day in table(jar, "time_by_day")}
    bought: dict[tuple, list] = {}
    for name in ("sales_fact_1998", "sales_fact_dec_1998"):
        for row in table(jar, name):
            if row["store_id"] in STORES:
                key = (row["time_id"], row["store_id"], row["customer_id"])
                product = goods[row["product_id"]]
                bought.setdefault(key, []).append((product["sku"], round(row["unit_sales"]), product["weighed"]))
    return [
        rules.basket(store, f"{store}-{day}-{customer}", bought[(day, store, customer)], date=dates[day])
        for day, store, customer in sorted(bought)
    ]


def stores(jar: zipfile.ZipFile):
    for row in table(jar, "store"):
        if row["store_id"]:
            yield {
                "store": row["store_id"],
                "code": f"S{row['store_id']:02}",
                "name": f"FoodMart {row['store_city']}",
                "kind": row["store_type"],
                "town": row["store_city"],
                "state": row["store_state"],
                "country": row["store_country"],
            }


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2
    jar, folder = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    with jar.open("META-INF/NOTICE") as notice, open(os.path.join(folder, "NOTICE"), "wb") as copy:
        copy.write(notice.read())
    goods = products(jar)
    sold = baskets(jar, goods)
    stock = rules.demand(sold, {product["sku"]: product["weighed"] for product in goods.values()})
    rules.write_lines(os.path.join(folder, "stores.ndjson"), stores(jar))
    rules.write_lines(os.path.join(folder, "catalog.ndjson"), catalog(goods, stock))
    rules.write_lines(os.path.join(folder, "baskets.ndjson"), sold)
    lines = sum(len(one["lines"]) for one in sold)
    print(f"   {len(goods)} products; {len(sold)} baskets of {len(STORES)} stores with {lines} lines, "
          f"{sum('refund' in one for one in sold)} of them with a refund")
    return 0


if __name__ == "__main__":
    sys.exit(main())
