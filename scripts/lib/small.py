#!/usr/bin/env python3
"""Makes baskets for the demo from one of the committed small catalogs, where FoodMart can't be fetched.

    small.py CATALOG.ndjson FOLDER

Writes catalog.ndjson, baskets.ndjson and stores.ndjson into FOLDER: 5,492 invented baskets of two invented stores,
with lines, discounts, payments and refunds drawn by the rules of lib/rules.py. Age-restricted goods are left out,
and so is everything that isn't active or has no price.
"""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rules  # noqa: E402

STORES = ((13, 2717), (19, 2775))


def read(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def invented(store: int, number: int, goods: list[dict]) -> dict:
    name = f"{store}-{number:05}"
    bought, taken = [], set()
    for position in range(1 + rules.mark("size", name) % 8):
        product = goods[rules.mark("which", name, position) % len(goods)]
        if product["sku"] not in taken:
            taken.add(product["sku"])
            units = 1 + rules.mark("units", name, position) % 4
            bought.append((product["sku"], units, product["weighed"]))
    return rules.basket(store, name, bought)


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2
    records, folder = read(sys.argv[1]), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    priced = {record["sku"] for record in records if record["type"] == "price"}
    goods = [
        record
        for record in records
        if record["type"] == "product" and record["active"] and not record["min_age"] and record["sku"] in priced
    ]
    baskets = [invented(store, number, goods) for store, count in STORES for number in range(1, count + 1)]
    weighed = {record["sku"]: record["weighed"] for record in records if record["type"] == "product"}
    stock = rules.demand(baskets, weighed)
    kept = [record for record in records if record["type"] != "stock"]
    kept += [{"type": "stock", "sku": sku, "units": units} for sku, units in stock.items()]
    rules.write_lines(os.path.join(folder, "catalog.ndjson"), kept)
    rules.write_lines(os.path.join(folder, "baskets.ndjson"), baskets)
    stores = [{"store": store, "code": f"S{store}", "name": f"Corner shop {store}"} for store, _ in STORES]
    rules.write_lines(os.path.join(folder, "stores.ndjson"), stores)
    print(f"   {len(weighed)} products; {len(baskets)} invented baskets of {len(STORES)} stores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
