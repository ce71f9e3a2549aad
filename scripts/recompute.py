#!/usr/bin/env python3
"""Computes a store's books again from its exported events, and names every difference.

    recompute.py EXPORT.ndjson [EXPORT.ndjson …]      one log, from one or more exports of it
    recompute.py --tamper EXPORT.ndjson COPY.ndjson   copies an export and changes one cent in one sale's line
    recompute.py --self-test                          the published vectors of money rules, against this script

It reads nothing but the NDJSON export of events, uses nothing but Python's standard library, and shares no code
with the product: every sale and refund is computed again from its line inputs (prices, quantities, discounts,
promotions, rates, tenders) and compared with the figures that were stored. The last line of output is one JSON
object; the exit code is 1 where anything differs, a number is missing or doubled, or a chain is broken.

The rules, in short: integers of the minor unit only; a line's base is rounded once; discounts go line, promotion,
order, each capped at what is left; amounts are shared by largest remainder, ties to the lower line; tax is rounded
once a rate group (or once a line, by the document's own rules) and spread back; only the cash part is rounded to
the cash step; a refund takes the cumulative share less what was refunded before.
"""

import json
import sys
from collections import defaultdict

MILLION = 1_000_000


# ---- rounding and sharing --------------------------------------------------------------------------------------


def divide(numerator: int, denominator: int, mode: str) -> int:
    """numerator / denominator as a whole number; ties away from zero, or to even."""
    sign = -1 if (numerator < 0) != (denominator < 0) else 1
    whole, rest = divmod(abs(numerator), abs(denominator))
    twice = 2 * rest
    up = twice > abs(denominator)
    if twice == abs(denominator):
        up = mode == "HalfAwayFromZero" or whole % 2 == 1
    return sign * (whole + (1 if up else 0))


def to_step(amount: int, step: int, mode: str) -> int:
    return divide(amount, step, mode) * step


def share(total: int, weights: list[int]) -> list[int]:
    """Parts of a total in proportion to weights, by largest remainder; ties to the earlier one."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    sign = -1 if (total < 0) != (whole < 0) else 1
    total, whole = abs(total), abs(whole)
    weights = [abs(weight) for weight in weights]
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[:left]:
        parts[i] += 1
    return [sign * part for part in parts]


def tagged(value) -> tuple[str, object]:
    """An enum's name and what it holds: "Cash" or {"Percent": 100000}."""
    if isinstance(value, str):
        return value, None
    ((name, inner),) = value.items()
    return name, inner


# ---- a sale ----------------------------------------------------------------------------------------------------


def discount_of(kind, left: int, mode: str) -> int:
    name, value = tagged(kind)
    if name == "Percent":
        return divide(left * value, MILLION, mode)
    return min(value, left)


def line_base(line: dict, mode: str) -> int:
    if line.get("label_amount") is not None:
        return line["label_amount"]
    return divide(line["unit_price"] * line["quantity"], 1000, mode)


def tax_on(amount: int, ppm: int, inclusive: bool, mode: str) -> int:
    return divide(amount * ppm, MILLION + ppm if inclusive else MILLION, mode)


def line_taxes(amounts: list[int], ppm: int, rules: dict) -> list[int]:
    """The tax of each line of one rate group."""
    inclusive, mode = rules["prices_include_tax"], rules["rounding"]
    if rules["tax_policy"] == "Line":
        return [tax_on(amount, ppm, inclusive, mode) for amount in amounts]
    return share(tax_on(sum(amounts), ppm, inclusive, mode), amounts)


def tax_key(tax: dict) -> tuple[str, int]:
    return tax["category"], tax["ppm"]


def compute_sale(inputs: dict) -> dict:
    rules = inputs["rules"]
    mode = rules["rounding"]
    lines = []
    for line in inputs["lines"]:
        base = line_base(line, mode)
        out = {"base": base, "discounts": [], "promotions": [], "order_shares": [], "amount": base}
        for discount in line["discounts"]:
            off = discount_of(discount["kind"], out["amount"], mode)
            out["discounts"].append(off)
            out["amount"] -= off
        lines.append(out)
    apply_promotions(inputs, lines, mode)
    for discount in inputs["order_discounts"]:
        left = [line["amount"] for line in lines]
        off = discount_of(discount["kind"], sum(left), mode)
        for line, part in zip(lines, share(off, left)):
            line["order_shares"].append(part)
            line["amount"] -= part
    levy(inputs, lines)
    return {
        "lines": lines,
        "groups": groups_of(
            ((line["tax"]["category"], 0 if inputs.get("exemption") else line["tax"]["ppm"]), out)
            for line, out in zip(inputs["lines"], lines)
        ),
        "net": sum(line["net"] for line in lines),
        "tax": sum(line["tax"] for line in lines),
        "settlement": settle(sum(line["net"] + line["tax"] for line in lines), inputs["tenders"], rules),
    }


def levy(inputs: dict, lines: list[dict]) -> None:
    """Fills in net and tax; an exempt customer pays the net of the inclusive price."""
    rules = inputs["rules"]
    members = defaultdict(list)
    for i, line in enumerate(inputs["lines"]):
        members[tax_key(line["tax"])].append(i)
    for (_category, ppm), indices in members.items():
        taxes = line_taxes([lines[i]["amount"] for i in indices], ppm, rules)
        for i, tax in zip(indices, taxes):
            out = lines[i]
            out["net"] = out["amount"] - tax if rules["prices_include_tax"] else out["amount"]
            out["tax"] = 0 if inputs.get("exemption") else tax


def groups_of(pairs) -> list[dict]:
    sums = defaultdict(lambda: [0, 0])
    for key, out in pairs:
        sums[key][0] += out["net"]
        sums[key][1] += out["tax"]
    return [
        {"tax": {"category": category, "ppm": ppm}, "net": net, "amount": tax, "gross": net + tax}
        for (category, ppm), (net, tax) in sorted(sums.items())
    ]


def settle(total: int, tenders: list[dict], rules: dict) -> dict:
    """What the cash part rounds to and what is given back."""
    step, mode = rules["cash_step"], rules["rounding"]
    cash = sum(t["amount"] for t in tenders if tagged(t["kind"])[0] == "Cash")
    other = sum(t["amount"] for t in tenders if tagged(t["kind"])[0] != "Cash")
    rest = total - other
    rounded = to_step(rest, step, mode)
    if rest == 0 and cash == 0:
        change = 0
    elif cash % step == 0:
        change = cash - rounded
    else:
        change = to_step(cash - rest, step, mode)
    kept = cash - change
    return {
        "total": total,
        "other": other,
        "cash_due": kept,
        "cash_tendered": cash,
        "change": change,
        "rounding": kept - rest,
    }


# ---- promotions ------------------------------------------------------------------------------------------------


class Unit:
    """One unit of a line: what it costs after the line's own discounts, and whether it joined a promotion yet."""

    def __init__(self, line: int, amount: int, thousandths: int, whole: bool):
        self.line = line
        self.amount = amount
        self.thousandths = thousandths
        self.whole = whole
        self.joined = False


def split(index: int, line: dict, amount: int) -> list[Unit]:
    """A line of pieces splits into its units by largest remainder; a weighed one can't be split."""
    if line["unit"]["base"] != "Piece":
        return [Unit(index, amount, line["quantity"], False)]
    wholes, fraction = divmod(line["quantity"], 1000)
    sizes = [1000] * wholes + ([fraction] if fraction else [])
    return [Unit(index, part, size, size == 1000) for part, size in zip(share(amount, sizes), sizes)]


def apply_promotions(inputs: dict, lines: list[dict], mode: str) -> None:
    """Takes promotions off in the order they stand in; a unit joins at most one."""
    if not inputs["promotions"]:
        return
    units = [
        unit
        for index, (line, out) in enumerate(zip(inputs["lines"], lines))
        for unit in split(index, line, out["amount"])
    ]
    for index, promotion in enumerate(inputs["promotions"]):
        mine = set(promotion["lines"])
        free = [unit for unit in units if unit.line in mine and not unit.joined]
        for line, off in sorted(promotion_amounts(promotion["rule"], free, mode).items()):
            if off:
                lines[line]["promotions"].append([index, off])
                lines[line]["amount"] -= off


def promotion_amounts(rule, free: list[Unit], mode: str) -> dict[int, int]:
    """What each line loses; marks the units that joined."""
    name, value = tagged(rule)
    if name == "NForM":
        cheapest = sorted((unit for unit in free if unit.whole), key=lambda unit: (unit.amount, unit.line))
        sets = len(cheapest) // value["take"]
        joined = cheapest[: sets * value["take"]]
        off = sum(unit.amount for unit in joined[: sets * (value["take"] - value["pay"])])
        joined = sorted(joined, key=lambda unit: unit.line)
    else:
        joined = free
        off = divide(sum(unit.amount for unit in joined) * value, MILLION, mode) if name == "Percent" else 0
    for unit in joined:
        unit.joined = True
    if name == "FixedOff":
        return fixed_off(joined, value, mode)
    amounts = defaultdict(int)
    for unit, part in zip(joined, share(off, [unit.amount for unit in joined])):
        amounts[unit.line] += part
    return amounts


def fixed_off(joined: list[Unit], off: int, mode: str) -> dict[int, int]:
    sizes, left = defaultdict(int), defaultdict(int)
    for unit in joined:
        sizes[unit.line] += unit.thousandths
        left[unit.line] += unit.amount
    return {line: min(divide(off * sizes[line], 1000, mode), left[line]) for line in sizes}


# ---- a refund --------------------------------------------------------------------------------------------------


def compute_refund(inputs: dict) -> dict:
    rules = inputs["rules"]
    mode = rules["rounding"]
    lines = []
    for line in inputs["lines"]:
        basis = line["basis"]
        now = basis["quantity"] + line["quantity"]

        def part(total: int, before: int) -> int:
            # What an older basis gave too much is not asked back.
            return max(0, divide(total * now, line["sold"], mode) - before)

        tax = part(line["sold_tax"], basis["tax"])
        if rules["prices_include_tax"]:
            money = part(line["sold_net"] + line["sold_tax"], basis["net"] + basis["tax"])
            tax = min(tax, money)
            net = money - tax
        else:
            net = part(line["sold_net"], basis["net"])
        lines.append({"net": -net, "tax": -tax})
    net = sum(line["net"] for line in lines)
    tax = sum(line["tax"] for line in lines)
    return {
        "lines": lines,
        "groups": groups_of((tax_key(line["tax"]), out) for line, out in zip(inputs["lines"], lines)),
        "net": net,
        "tax": tax,
        "settlement": settle_refund(net + tax, inputs["tenders"], rules),
    }


def settle_refund(total: int, tenders: list[dict], rules: dict) -> dict:
    """Cash goes out in whole steps, or to the minor unit; there is no change."""
    cash = sum(t["amount"] for t in tenders if tagged(t["kind"])[0] == "Cash")
    other = sum(t["amount"] for t in tenders if tagged(t["kind"])[0] != "Cash")
    return {
        "total": total,
        "other": other,
        "cash_due": cash,
        "cash_tendered": cash,
        "change": 0,
        "rounding": cash - (total - other),
    }


def any_cash(tenders: list[dict]) -> bool:
    return any(tagged(tender["kind"])[0] == "Cash" for tender in tenders)


def is_paid(settlement: dict, tenders: list[dict]) -> bool:
    """A sale is paid: nothing is rounded away without cash, and no change is owed by the customer."""
    rest = settlement["total"] - settlement["other"]
    return settlement["change"] >= 0 and (rest <= 0 or any_cash(tenders))


def payout_is_right(settlement: dict, tenders: list[dict], rules: dict) -> bool:
    """A refund pays out what it owes: to the cent, or its cash part in whole steps."""
    rest = settlement["total"] - settlement["other"]
    allowed = {rest}
    if any_cash(tenders):
        allowed.add(to_step(rest, rules["cash_step"], rules["rounding"]))
    return settlement["cash_tendered"] in allowed


# ---- comparing -------------------------------------------------------------------------------------------------


def differing(stored, again, path: str = "") -> list[str]:
    """Where two trees of figures differ, as readable lines."""
    if isinstance(stored, dict) and isinstance(again, dict):
        found = []
        for key in sorted(set(stored) | set(again)):
            found += differing(stored.get(key), again.get(key), f"{path}/{key}")
        return found
    if isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        found = []
        for i, (one, other) in enumerate(zip(stored, again)):
            found += differing(one, other, f"{path}/{i}")
        return found
    return [] if stored == again else [f"{path}: stored {stored}, computed {again}"]


def units_of(line: dict) -> int:
    """Base units of a line's quantity; the conversion is exact or the document is wrong."""
    scaled = line["quantity"] * line["unit"]["base_per_unit"]
    if scaled % 1000:
        raise ValueError(f"{line['sku']}: {line['quantity']} thousandths are no whole number of base units")
    return scaled // 1000


def is_goods(line: dict) -> bool:
    """Services, fees and vouchers move no stock."""
    return tagged(line.get("kind", "Goods"))[0] == "Goods"


# ---- the books -------------------------------------------------------------------------------------------------


class Books:
    """Everything that one log adds up to."""

    def __init__(self):
        self.sales = self.refunds = self.rounding = self.net = self.tax_total = 0
        self.sale_count = self.refund_count = 0
        self.tax = defaultdict(lambda: [0, 0])
        self.units_sold = defaultdict(int)
        self.units_returned = defaultdict(int)
        self.tenders = defaultdict(int)
        self.stock = defaultdict(int)
        self.receipts = defaultdict(list)
        self.seen_ids = {}
        self.sales_by_id = {}
        self.refunded = defaultdict(int)
        self.duplicates = []
        self.differences = []
        self.aliases = {}
        self.without_stock = set()

    def note(self, event: dict, what: str) -> None:
        self.differences.append(f"{event['incarnation'][:8]}/{event['seq']} {event['kind']}: {what}")

    def sku(self, code: str) -> str:
        while code in self.aliases:
            code = self.aliases[code]
        return code

    def move(self, event: dict, sku: str, units: int) -> None:
        # What a lone node moved before its enrolment is in the opening movement already.
        if event["incarnation"] not in self.without_stock:
            self.stock[self.sku(sku)] += units

    def book(self, event: dict) -> None:
        handler = HANDLERS.get(event["kind"])
        if handler:
            handler(self, event, event["body"])

    def document(self, event: dict, document_id: str, receipt: dict, outcome: dict, inputs: dict) -> None:
        if document_id in self.seen_ids:
            self.duplicates.append(document_id)
        self.seen_ids[document_id] = event
        self.receipts[f"{receipt['till']}-{receipt['series']}"].append(receipt["n"])
        settlement = outcome["settlement"]
        self.rounding += settlement["rounding"]
        self.net += outcome["net"]
        self.tax_total += outcome["tax"]
        for group in outcome["groups"]:
            self.tax[group["tax"]["ppm"]][0] += group["net"]
            self.tax[group["tax"]["ppm"]][1] += group["amount"]
        for tender in inputs["tenders"]:
            name, _ = tagged(tender["kind"])
            self.tenders[TENDER_NAMES.get(name, "other")] += tender["amount"]
        self.tenders["cash"] -= settlement["change"]

    def sale(self, event: dict, body: dict) -> None:
        inputs, stored = body["document"]["inputs"], body["document"]["outcome"]
        again = compute_sale(inputs)
        for line in differing(stored, again):
            self.note(event, line)
        if not is_paid(again["settlement"], inputs["tenders"]):
            self.note(event, "the tenders do not pay it")
        self.sale_count += 1
        self.sales += again["settlement"]["total"]
        self.sales_by_id[body["sale_id"]] = body
        self.document(event, body["sale_id"], body["receipt"], again, inputs)
        for i, line in enumerate(inputs["lines"]):
            units = units_of(line)
            self.units_sold[self.sku(line["sku"])] += units
            on_shelf = units if is_goods(line) else 0
            self.move(event, line["sku"], -on_shelf)
            moved = body["moved"][i]
            if moved["c"] + moved["o"] != on_shelf or moved["m"]:
                self.note(event, f"line {i} sold {units} and moved {moved}")

    def refund(self, event: dict, body: dict) -> None:
        inputs, stored = body["document"]["inputs"], body["document"]["outcome"]
        again = compute_refund(inputs)
        for line in differing(stored, again):
            self.note(event, line)
        if not payout_is_right(again["settlement"], inputs["tenders"], inputs["rules"]):
            self.note(event, "what was paid out is not what is owed")
        self.refund_count += 1
        self.refunds += again["settlement"]["total"]
        self.document(event, body["refund_id"], body["receipt"], again, inputs)
        for line in inputs["lines"]:
            units = units_of(line)
            self.units_returned[self.sku(line["sku"])] += units
            if line["condition"] == "Resell" and is_goods(line):
                self.move(event, line["sku"], units)
        if body["verification"] == "Verified":
            self.against_original(event, inputs)

    def against_original(self, event: dict, inputs: dict) -> None:
        """The lines must be those of the sale, and no more may come back than was sold."""
        original = inputs.get("original")
        sale = original and self.sales_by_id.get(identifier(original["sale_id"]))
        if not sale:
            return
        for line in inputs["lines"]:
            if line["line"] is None:
                continue
            sold = sale["document"]["inputs"]["lines"][line["line"]]
            came_to = sale["document"]["outcome"]["lines"][line["line"]]
            told = (line["sku"], line["sold"], line["sold_net"], line["sold_tax"])
            known = (sold["sku"], sold["quantity"], came_to["net"], came_to["tax"])
            if told != known:
                self.note(event, f"line {line['line']} names {told}, the sale has {known}")
            key = (identifier(original["sale_id"]), line["line"])
            saw, were = line["basis"]["quantity"], self.refunded[key]
            if saw != were:
                self.note(event, f"line {line['line']} saw {saw} refunded, {were} were")
            self.refunded[key] += line["quantity"]
            if self.refunded[key] > sold["quantity"]:
                self.note(event, f"line {line['line']}: {self.refunded[key]} of {sold['quantity']} came back")

    def delivery(self, event: dict, body: dict) -> None:
        for line in body["lines"]:
            self.move(event, line["sku"], line["units"])

    def shipped(self, event: dict, body: dict) -> None:
        for line in body["lines"]:
            self.move(event, line["sku"], -line["units"])

    def adjusted(self, event: dict, body: dict) -> None:
        self.move(event, body["sku"], body["units"])

    def counted(self, event: dict, body: dict) -> None:
        self.move(event, body["sku"], body["variance"])

    def opened(self, event: dict, body: dict) -> None:
        self.move(event, body["sku"], body["on_hand"])

    def handed_out(self, event: dict, body: dict) -> None:
        self.move(event, body["sku"], -body["units"])

    def gaps(self) -> dict:
        found = {}
        for series, numbers in sorted(self.receipts.items()):
            numbers.sort()
            missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
            doubled = sorted({one for one, next_one in zip(numbers, numbers[1:]) if one == next_one})
            found[series] = {
                "first": numbers[0],
                "last": numbers[-1],
                "count": len(numbers),
                "missing": missing[:10],
                "doubled": doubled[:10],
            }
        return found

    def result(self, chain: list[str]) -> dict:
        receipts = self.gaps()
        units = {sku: n - self.units_returned.get(sku, 0) for sku, n in self.units_sold.items()}
        gapless = all(not s["missing"] and not s["doubled"] for s in receipts.values())
        return {
            "ok": not (self.differences or self.duplicates or chain) and gapless,
            "documents": self.sale_count + self.refund_count,
            "sales": self.sale_count,
            "refunds": self.refund_count,
            "sales_total": self.sales,
            "refunds_total": self.refunds,
            "takings": self.sales + self.refunds,
            "rounding": self.rounding,
            "net": self.net,
            "tax_total": self.tax_total,
            "tax": {
                str(ppm): {"net": net, "tax": tax, "gross": net + tax}
                for ppm, (net, tax) in sorted(self.tax.items())
            },
            "tenders": {kind: amount for kind, amount in sorted(self.tenders.items()) if amount},
            "units": dict(sorted(units.items())),
            "units_sold": dict(sorted(self.units_sold.items())),
            "units_returned": dict(sorted(self.units_returned.items())),
            "stock": dict(sorted(self.stock.items())),
            "receipts": receipts,
            "gapless": gapless,
            "duplicates": self.duplicates,
            "chain": chain[:20],
            "differences": self.differences[:20],
            "difference_count": len(self.differences),
        }


TENDER_NAMES = {
    "Cash": "cash",
    "Card": "card",
    "VietQr": "vietqr",
    "BankTransfer": "bank_transfer",
    "Voucher": "voucher",
    "GiftCard": "gift_card",
    "OnAccount": "on_account",
    "ForeignCash": "foreign_cash",
    "Exchange": "exchange",
    "Prepaid": "prepaid",
}

HANDLERS = {
    "sale.committed": Books.sale,
    "refund.committed": Books.refund,
    "delivery.received": Books.delivery,
    "transfer.received": Books.delivery,
    "transfer.shipped": Books.shipped,
    "stock.adjusted": Books.adjusted,
    "stock.counted": Books.counted,
    "stock.opened": Books.opened,
    "reservation.fulfilled": Books.handed_out,
}


# ---- the log ---------------------------------------------------------------------------------------------------


def identifier(value) -> str:
    """An id as plain hexadecimal digits, whether it came as a UUID, as digits or as a list of bytes."""
    if isinstance(value, list):
        return bytes(value).hex()
    return value.replace("-", "")


def read_log(paths: list[str]) -> tuple[list[dict], list[str]]:
    """All events by (incarnation, seq), and what is wrong with the streams themselves."""
    events, wrong = {}, []
    for path in paths:
        here = set()
        with open(path, encoding="utf-8") as export:
            for number, line in enumerate(export, 1):
                if not line.strip():
                    continue
                event = json.loads(line)
                key = (event["incarnation"], event["seq"])
                if key in here:
                    wrong.append(f"{path}:{number}: event {key[0][:8]}/{key[1]} stands there twice")
                here.add(key)
                if key in events and events[key] != event:
                    wrong.append(f"{path}:{number}: event {key[0][:8]}/{key[1]} differs between exports")
                events[key] = event
    wrong += broken_chains(events)
    return [events[key] for key in sorted(events, key=lambda key: (events[key]["hlc_order"], key))], wrong


def hlc_order(event: dict):
    hlc = event.get("hlc")
    if isinstance(hlc, dict):
        return tuple(hlc.values())
    if isinstance(hlc, list):
        return tuple(hlc)
    return (hlc,)


def broken_chains(events: dict) -> list[str]:
    """Each stream must be gapless and every event must name the hash of the one before."""
    wrong, last = [], {}
    for incarnation, seq in sorted(events):
        event = events[(incarnation, seq)]
        event["hlc_order"] = hlc_order(event)
        before = last.get(incarnation)
        if before and seq != before["seq"] + 1:
            wrong.append(f"{incarnation[:8]}: {before['seq']} is followed by {seq}")
        elif before and event["prev_hash"] != before["hash"]:
            wrong.append(f"{incarnation[:8]}/{seq} does not follow {before['seq']}: the chain is broken")
        last[incarnation] = event
    return wrong


def recompute(paths: list[str]) -> dict:
    events, wrong = read_log(paths)
    books = Books()
    named = set()
    for event in events:
        body = event["body"]
        if event["kind"] == "roster.changed":
            for member in body["members"]:
                # Who has ended when it is first named sold alone; what it left was opened with by the hub.
                if member["incarnation"] not in named and member["retired"] and not member["fenced"]:
                    books.without_stock.add(member["incarnation"])
                named.add(member["incarnation"])
        if event["kind"] == "sku.aliased":
            books.aliases[body["from"]] = body["to"]
        if event["kind"] == "stock.opened":
            books.without_stock.add(body["lone"])
        for field in ("sale_id", "refund_id"):
            if isinstance(body, dict) and field in body:
                body[field] = identifier(body[field])
    for event in events:
        try:
            books.book(event)
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as why:
            books.note(event, f"cannot be computed: {why!r}")
    return books.result(wrong) | {"events": len(events)}


# ---- tampering -------------------------------------------------------------------------------------------------


def tamper(source: str, target: str) -> str:
    """Copies an export with one cent more on the first line of its middle sale."""
    with open(source, encoding="utf-8") as export:
        lines = export.readlines()
    sales = [i for i, line in enumerate(lines) if json.loads(line)["kind"] == "sale.committed"]
    if not sales:
        raise SystemExit(f"{source} holds no sale to tamper with")
    at = sales[len(sales) // 2]
    event = json.loads(lines[at])
    line = event["body"]["document"]["outcome"]["lines"][0]
    line["amount"] += 1
    line["net"] += 1
    lines[at] = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
    with open(target, "w", encoding="utf-8") as copy:
        copy.writelines(lines)
    return f"{event['incarnation'][:8]}/{event['seq']}: one cent more on the first line"


# ---- the published vectors -------------------------------------------------------------------------------------


def vector(lines, inclusive=True, step=1, policy="Group", tenders=(), promotions=(), order=()) -> dict:
    """A sale of (quantity in thousandths, unit price, ppm, line discounts…)."""
    return compute_sale(
        {
            "rules": {
                "prices_include_tax": inclusive,
                "rounding": "HalfAwayFromZero",
                "tax_policy": policy,
                "cash_step": step,
            },
            "lines": [
                {
                    "sku": f"L{i}",
                    "quantity": quantity,
                    "unit_price": price,
                    "unit": {"base": "Piece", "base_per_unit": 1},
                    "tax": {"category": "c", "ppm": ppm},
                    "discounts": [{"kind": kind} for kind in discounts],
                }
                for i, (quantity, price, ppm, *discounts) in enumerate(lines)
            ],
            "promotions": [{"rule": rule, "lines": eligible} for rule, eligible in promotions],
            "order_discounts": [{"kind": kind} for kind in order],
            "tenders": [{"kind": kind, "amount": amount} for kind, amount in tenders],
        }
    )


def tax_by_rate(sale: dict) -> dict:
    return {group["tax"]["ppm"]: group["amount"] for group in sale["groups"]}


def paid(total: int, *tenders, step: int = 5) -> tuple[int, int]:
    """(change, rounding) of a total paid with tenders."""
    settled = vector([(1000, total, 0)], step=step, tenders=tenders)["settlement"]
    return settled["change"], settled["rounding"]


def published_vectors():
    """(what, computed, expected) for each figure that is published."""
    medusa = vector([(1000, 2499, 107_500), (1000, 644, 0)], inclusive=False)
    yield "24.99 at 10.75 % and 6.44 untaxed", (medusa["tax"], medusa["settlement"]["total"]), (269, 3412)
    two_rates = vector([(1000, 2890, 220_000), (1000, 125, 100_000)])
    yield "two inclusive rates", tax_by_rate(two_rates), {100_000: 11, 220_000: 521}
    four = [(4000, 148, 210_000), (1000, 152, 210_000), (1000, 154, 210_000), (1000, 39, 210_000)]
    yield "group tax", vector(four, inclusive=False)["settlement"]["total"], 1134
    yield "line tax", vector(four, inclusive=False, policy="Line")["settlement"]["total"], 1133
    five = vector([(1000, 230, 0, {"Percent": 50_000})])["lines"][0]
    yield "2.30 less 5 %", (five["discounts"], five["amount"]), ([12], 218)
    yield "829.00 less 96.019 %", vector([(1000, 82_900, 0, {"Percent": 960_190})])["lines"][0]["amount"], 3300
    yield "19.99 less 25 %", vector([(1000, 1999, 0, {"Percent": 250_000})])["lines"][0]["amount"], 1499
    nothing = vector([(1000, 130_000, 200_000, {"Percent": MILLION})])
    yield "less 100 %", (nothing["net"], nothing["tax"], nothing["settlement"]["total"]), (0, 0, 0)
    yield "2 x 0.01 and 16.00", vector([(2000, 1, 0), (1000, 1600, 0)])["settlement"]["total"], 1602
    ten = vector([(10_000, 3823, 200_000)])
    yield "10 x 38.23 with 20 %", (ten["net"], ten["tax"]), (31_858, 6372)
    yield "164.02 at 2.6 %", vector([(1000, 16_402, 26_000)], inclusive=False)["tax"], 426
    yield "3 x 1.08 at 19 %", vector([(3000, 108, 190_000)], inclusive=False)["settlement"]["total"], 386
    house = [(1000, 1799, 230_000), (346, 1890, 230_000)]
    yield "17.99 and 6.54 with 23 %", vector(house)["tax"], 459
    yield "the same by line", vector(house, policy="Line")["tax"], 458
    shared = vector(
        [(1000, 795, 230_000), (2000, 349, 0), (4000, 285, 135_000), (1000, 1999, 230_000)], order=[{"Fixed": 500}]
    )
    shares = [line["order_shares"] for line in shared["lines"]]
    yield "an order discount's shares", shares, [[86], [75], [123], [216]]
    yield "its tax", tax_by_rate(shared), {0: 0, 135_000: 121, 230_000: 466}
    cakes = vector([(5000, 285, 135_000)], promotions=[({"NForM": {"take": 3, "pay": 2}}, [0])])
    yield "3 for 2", (cakes["lines"][0]["promotions"], cakes["tax"]), ([[0, 285]], 136)
    for due, rounded in zip(range(1290, 1300), (1290, 1290, 1290, 1295, 1295, 1295, 1295, 1295, 1300, 1300)):
        yield f"{due} in cash", to_step(due, 5, "HalfAwayFromZero"), rounded
    yield "-1.03 in cash", to_step(-103, 5, "HalfAwayFromZero"), -105
    yield "bank 15.59 for 12.91", paid(1291, ("BankTransfer", 1559)), (270, -2)
    yield "2.30 for 2.31", paid(231, ("Cash", 230)), (0, -1)
    yield "2.31 for 2.31", paid(231, ("Cash", 231)), (0, 0)
    yield "24.55 of 30.00", paid(2453, ("Cash", 3000)), (545, 2)
    yield "a card and 50.00", paid(4132, ("Card", 2000), ("Cash", 5000)), (2870, -2)
    yield "one mug and one cake back", golden_refund(), ([(-646, -149), (-251, -34)], -1080)


def golden_refund():
    def back(sold, net, tax):
        return {
            "quantity": 1000,
            "sold": sold,
            "sold_net": net,
            "sold_tax": tax,
            "basis": {"quantity": 0, "net": 0, "tax": 0},
            "tax": {"category": "c", "ppm": 0},
        }

    rules = {"prices_include_tax": True, "rounding": "HalfAwayFromZero", "cash_step": 5}
    lines = [back(2000, 1293, 297), back(3000, 753, 102)]
    again = compute_refund({"rules": rules, "lines": lines, "tenders": [{"kind": "Cash", "amount": -1080}]})
    return [(line["net"], line["tax"]) for line in again["lines"]], again["settlement"]["total"]


def self_test() -> int:
    wrong = [(what, got, want) for what, got, want in published_vectors() if got != want]
    for what, got, want in wrong:
        print(f"{what}: computed {got}, published {want}", file=sys.stderr)
    count = sum(1 for _ in published_vectors())
    print(json.dumps({"ok": not wrong, "vectors": count, "wrong": len(wrong)}))
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) == 3 and arguments[0] == "--tamper":
        print(tamper(arguments[1], arguments[2]))
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    result = recompute(arguments)
    print(json.dumps(result, ensure_ascii=False))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
