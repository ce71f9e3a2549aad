//! Whatever a store does at two tills, every document and every Z comes out (`model.md`, I13): a seeded day of sales with
//! mixed tenders, refunds, voids, exchanges and cash that moves, through a real node. The judge knows the answers that
//! were given and no product code.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tradepost_tests::http::{Answer, Client};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::process::{Program, TempDir};
use tradepost_tests::seed::{Luck, full};
use tradepost_tests::till::start_node_with;

/// Three rates, odd prices, goods by weight, a promotion, and cash that goes in steps of five.
const CATALOG: &str = r#"{"type":"settings","currency":"EUR","cash_step":5}
{"type":"tax","category":"standard","ppm":230000}
{"type":"tax","category":"reduced","ppm":135000}
{"type":"tax","category":"zero","ppm":0}
{"type":"product","sku":"MUG","name":"Mug","tax_category":"standard"}
{"type":"product","sku":"CUP","name":"Cup","tax_category":"reduced"}
{"type":"product","sku":"BOOK","name":"Book","tax_category":"zero"}
{"type":"product","sku":"NUTS","name":"Nuts","tax_category":"standard","weighed":true,"unit":{"base":"Gram","base_per_unit":1000}}
{"type":"price","sku":"MUG","price":795}
{"type":"price","sku":"CUP","price":333}
{"type":"price","sku":"BOOK","price":1999}
{"type":"price","sku":"NUTS","price":1849}
{"type":"promotion","id":"MUGS","name":"3 for 2","priority":1,"rule":{"NForM":{"take":3,"pay":2}},"skus":["MUG"],"valid_from":0,"valid_to":null}
"#;

const TILLS: [&str; 2] = ["R1", "R2"];

struct Store {
    _folder: TempDir,
    _program: Program,
    client: Client,
    luck: Luck,
    /// By till: what the judge knows of its open shift.
    shifts: BTreeMap<&'static str, Shift>,
    sales: Vec<Value>,
    done: BTreeMap<&'static str, u32>,
}

/// What was answered in a shift.
#[derive(Default)]
struct Shift {
    number: i64,
    float: i64,
    documents: Vec<Value>,
    moved: i64,
}

fn int(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or_else(|| panic!("{field} of {value}"))
}

fn sum(values: impl IntoIterator<Item = i64>) -> i64 {
    values.into_iter().sum()
}

fn all<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

impl Store {
    fn open(seed: u64) -> Self {
        let folder = TempDir::new("sums");
        let file = folder.join("catalog.ndjson");
        std::fs::write(&file, CATALOG).expect("the catalog is written");
        let program = start_node_with(&folder.path().join("node"), &file, &[], &[]).expect("the node starts");
        let client = program.client("http");
        let mut store = Self {
            _folder: folder,
            _program: program,
            client,
            luck: Luck::new(seed),
            shifts: BTreeMap::new(),
            sales: Vec::new(),
            done: BTreeMap::new(),
        };
        TILLS.into_iter().for_each(|till| store.open_shift(till));
        store
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.luck.below(n as u64)).expect("small")
    }

    fn cents(&mut self, most: u64) -> i64 {
        i64::try_from(self.luck.below(most)).expect("small")
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.client.json(method, path, body).expect("the node answers")
    }

    fn open_shift(&mut self, till: &'static str) {
        let float = self.cents(20_000) / 5 * 5;
        let body = json!({"id": uuid_v7(), "floats": [{"total": float}]});
        let opened = self.ask("POST", &format!("/v1/tills/{till}/shift"), &body).ok();
        let shift = Shift { number: int(&opened, "number"), float, ..Shift::default() };
        self.shifts.insert(till, shift);
    }

    fn lines(&mut self) -> Vec<Value> {
        let skus = ["MUG", "CUP", "BOOK", "NUTS"];
        (0..=self.below(3))
            .map(|_| {
                let sku = skus[self.below(skus.len())];
                let much = if sku == "NUTS" { 1 + self.cents(2_000) } else { 1_000 * (1 + self.cents(4)) };
                let mut line = json!({"sku": sku, "quantity_milli": much});
                if self.below(4) == 0 {
                    let discount =
                        json!({"kind": "percent", "value": 1_000 * (1 + self.cents(300)), "reason": "x"});
                    line["discounts"] = json!([discount]);
                }
                line
            })
            .collect()
    }

    fn discounts(&mut self) -> Value {
        if self.below(4) > 0 {
            return json!([]);
        }
        json!([{"kind": "fixed", "value": 1 + self.cents(200), "reason": "x"}])
    }

    /// What is due is known from a cart; the tenders are split by luck.
    fn tenders(&mut self, total: i64) -> Value {
        let card = |amount: i64| json!({"kind": "card", "amount": amount, "reference": "T-1"});
        let cash = |amount: i64| json!({"kind": "cash", "amount": amount});
        match self.below(4) {
            0 => json!([card(total)]),
            1 if total > 100 => {
                let part = 1 + self.cents(u64::try_from(total - 1).expect("above"));
                json!([card(part), cash(total - part + 500)])
            }
            2 => json!([cash((total + 4) / 5 * 5)]),
            _ => json!([cash(total + 5 * self.cents(400))]),
        }
    }

    fn cart(&mut self, till: &str, lines: &[Value], discounts: &Value) -> Option<i64> {
        let id = uuid_v7();
        let _ = self.ask("POST", "/v1/carts", &json!({"id": id, "till": till})).ok();
        for line in lines {
            let _ = self.ask("POST", &format!("/v1/carts/{id}/lines"), line).ok();
        }
        for discount in discounts.as_array().into_iter().flatten() {
            if self.ask("POST", &format!("/v1/carts/{id}/discounts"), discount).status >= 400 {
                return None;
            }
        }
        let total =
            self.client.get(&format!("/v1/carts/{id}")).expect("it answers").ok()["totals"]["total"].as_i64();
        let _ = self.ask("POST", &format!("/v1/carts/{id}/void"), &json!({})).ok();
        total
    }

    /// An answer: what was booked is the judge's from now on, what was refused changed nothing.
    fn heard(&mut self, till: &'static str, what: &'static str, answer: &Answer, parts: &[&str]) {
        assert!(answer.status < 500, "{what}: {}", answer.text());
        if answer.status >= 400 {
            return;
        }
        *self.done.entry(what).or_default() += 1;
        let booked = answer.json();
        let documents: Vec<Value> = if parts.is_empty() {
            vec![booked]
        } else {
            parts.iter().map(|part| booked[*part].clone()).collect()
        };
        for document in documents {
            document_balances(&document);
            if document["kind"] == "sale" {
                self.sales.push(document.clone());
            }
            self.shifts.get_mut(till).expect("it is open").documents.push(document);
        }
    }

    fn sell(&mut self, till: &'static str) {
        let (lines, discounts) = (self.lines(), self.discounts());
        let Some(total) = self.cart(till, &lines, &discounts) else { return };
        let mut sale =
            json!({"till": till, "lines": lines, "discounts": discounts, "tenders": self.tenders(total)});
        if self.below(12) == 0 {
            sale["exemption"] = json!({"reason": "diplomat", "certificate": "C-1"});
        }
        let answer = self.ask("PUT", &format!("/v1/sales/{}", uuid_v7()), &sale);
        self.heard(till, "sale", &answer, &[]);
    }

    fn some_sale(&mut self) -> Option<Value> {
        if self.sales.is_empty() {
            return None;
        }
        let at = self.below(self.sales.len());
        Some(self.sales[at].clone())
    }

    fn some_line(&mut self, sale: &Value) -> Value {
        let lines = sale["lines"].as_array().expect("lines");
        let line = &lines[self.below(lines.len())];
        let sold = int(line, "quantity_milli");
        let much = match (self.below(3), sold > 1_000 && sold % 1_000 == 0) {
            (0, true) => 1_000,
            _ => sold,
        };
        let condition = ["resell", "waste"][self.below(2)];
        json!({"line": line["line"], "quantity_milli": much, "condition": condition})
    }

    fn refund(&mut self, till: &'static str) {
        let Some(sale) = self.some_sale() else { return };
        let line = self.some_line(&sale);
        let tender = ["cash", "original", "card"][self.below(3)];
        let body = json!({"till": till, "sale_id": sale["id"], "reason": "broken", "tender": tender, "lines": [line]});
        let answer = self.ask("PUT", &format!("/v1/refunds/{}", uuid_v7()), &body);
        self.heard(till, "refund", &answer, &[]);
    }

    fn void(&mut self, till: &'static str) {
        let Some(sale) = self.some_sale() else { return };
        let body = json!({"till": till, "sale_id": sale["id"], "reason": "mistake"});
        let answer = self.ask("PUT", &format!("/v1/voids/{}", uuid_v7()), &body);
        self.heard(till, "void", &answer, &[]);
    }

    fn exchange(&mut self, till: &'static str) {
        let Some(sale) = self.some_sale() else { return };
        let (line, out) = (self.some_line(&sale), self.lines());
        let refund = json!({"sale_id": sale["id"], "reason": "size", "lines": [line]});
        let tenders = json!([{"kind": "cash", "amount": 5 * self.cents(2_000)}]);
        let mut body = json!({"till": till, "refund": refund, "sale": {"lines": out}, "tender": "cash"});
        if self.below(3) > 0 {
            body["tenders"] = tenders;
        }
        let answer = self.ask("PUT", &format!("/v1/exchanges/{}", uuid_v7()), &body);
        self.heard(till, "exchange", &answer, &["refund", "sale"]);
    }

    fn cash(&mut self, till: &'static str) {
        let direction = ["in", "out", "safe_drop"][self.below(3)];
        let amount = 5 * (1 + self.cents(2_000));
        let body = json!({"id": uuid_v7(), "direction": direction, "amount": amount, "reason": "of the day"});
        if self.ask("POST", &format!("/v1/tills/{till}/shift/cash"), &body).status >= 400 {
            return;
        }
        *self.done.entry("cash").or_default() += 1;
        self.shifts.get_mut(till).expect("open").moved += if direction == "in" { amount } else { -amount };
    }

    fn close(&mut self, till: &'static str) {
        let shift = self.shifts.remove(till).expect("it is open");
        let counted = 5 * self.cents(20_000);
        let body = json!({"shift": shift.number, "counts": [{"total": counted}]});
        let z = self.ask("POST", &format!("/v1/tills/{till}/shift/close"), &body).ok();
        z_is_the_sum(&z, &shift, counted);
        *self.done.entry("close").or_default() += 1;
        self.open_shift(till);
    }

    fn acts(&mut self) {
        let till = TILLS[self.below(2)];
        match self.below(20) {
            0..9 => self.sell(till),
            9..13 => self.refund(till),
            13..15 => self.void(till),
            15..17 => self.exchange(till),
            17..19 => self.cash(till),
            _ => self.close(till),
        }
    }
}

/// Net lines + tax + cash rounding = tenders - change.
fn document_balances(document: &Value) {
    let paid = sum(all(document, "tenders").map(|tender| int(tender, "amount"))) - int(document, "change");
    let (net, tax, rounding) = (int(document, "net"), int(document, "tax"), int(document, "rounding"));
    assert_eq!(net + tax + rounding, paid, "{document}");
    assert_eq!(net + tax, int(document, "total"), "{document}");
    let lines = |field: &str| sum(all(document, "lines").map(|line| int(line, field)));
    assert_eq!((lines("net"), lines("tax")), (net, tax), "{document}");
    let groups = |field: &str| sum(all(document, "tax_groups").map(|group| int(group, field)));
    assert_eq!((groups("net"), groups("tax")), (net, tax), "{document}");
}

fn z_is_the_sum(z: &Value, shift: &Shift, counted: i64) {
    let report = &z["report"];
    let of = |kind: &str, field: &str| {
        sum(shift.documents.iter().filter(|one| one["kind"] == kind).map(|one| int(one, field)))
    };
    let both = |field: &str| of("sale", field) + of("refund", field);
    let count = |kind: &str| sum(shift.documents.iter().filter(|one| one["kind"] == kind).map(|_| 1));
    for (field, right) in [
        ("sales", of("sale", "total")),
        ("refunds", of("refund", "total")),
        ("net", both("net")),
        ("tax", both("tax")),
        ("rounding", both("rounding")),
        ("sales_count", count("sale")),
        ("refunds_count", count("refund")),
    ] {
        assert_eq!(int(report, field), right, "{field} of {report}");
    }
    let rates: i64 = sum(all(report, "taxes").map(|rate| int(rate, "sales_tax") + int(rate, "refunds_tax")));
    assert_eq!(rates, int(report, "tax"), "the rates' taxes: {report}");
    let mut tenders: BTreeMap<String, i64> = BTreeMap::new();
    for document in &shift.documents {
        for tender in all(document, "tenders") {
            let kind = tender["kind"].as_str().expect("a kind");
            *tenders.entry(kind.to_owned()).or_default() += int(tender, "amount");
        }
        *tenders.entry("cash".to_owned()).or_default() -= int(document, "change");
    }
    for (kind, right) in &tenders {
        let told =
            sum(all(report, "tenders").filter(|row| row["kind"] == **kind).map(|row| int(row, "amount")));
        assert_eq!(told, *right, "{kind} of {report}");
    }
    let drawer = &z["drawers"][0];
    let expected = shift.float + shift.moved + tenders.get("cash").copied().unwrap_or_default();
    assert_eq!(int(drawer, "expected"), expected, "{drawer}");
    assert_eq!(int(drawer, "difference"), counted - expected, "{drawer}");
    let (before, after) = (&z["perpetual_before"], &z["perpetual_after"]);
    assert_eq!(int(after, "sales") - int(before, "sales"), of("sale", "total"), "totals that never end");
    assert_eq!(int(after, "documents") - int(before, "documents"), count("sale") + count("refund"));
}

#[test]
fn whatever_two_tills_do_every_paper_and_every_z_comes_out() {
    let seed = Luck::of_this_run("sums").next();
    let (days, acts) = if full() { (20, 400) } else { (3, 150) };
    let mut done: BTreeMap<&'static str, u32> = BTreeMap::new();
    for day in 0..days {
        eprintln!("day {day} of seed {seed}");
        let mut store = Store::open(seed.wrapping_add(day));
        for _ in 0..acts {
            store.acts();
        }
        TILLS.into_iter().for_each(|till| store.close(till));
        let log = store.client.get("/v1/exports/events").expect("it answers").text();
        let books = tradepost_tests::till::Books::read(&log);
        assert_eq!((books.gaps(), books.doubled()), (Vec::new(), Vec::new()));
        store.done.iter().for_each(|(what, times)| *done.entry(what).or_default() += times);
    }
    eprintln!("{done:?}");
    for what in ["sale", "refund", "void", "exchange", "cash", "close"] {
        assert!(done.get(what).is_some_and(|times| *times > 2), "too little happened: {done:?}");
    }
}
