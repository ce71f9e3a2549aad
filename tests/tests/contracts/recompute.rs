//! Two computations of the same books: the engine's, and that of `scripts/recompute.py`, which shares no code with
//! it. Random sales and refunds go through the engine, are exported as events, and must be found in order, to the
//! minor unit; and a single minor unit changed in one of them must be found out.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tradepost_commerce::document::*;
use tradepost_commerce::money::{Currency, Money, Rounding};
use tradepost_commerce::quantity::{BaseUnit, Quantity, Unit};
use tradepost_commerce::refund::{Return, lines_of, rules_of};
use tradepost_commerce::{CALC_VERSION, promotion, ring_up, settle_refund, total_due};
use tradepost_tests::seed::{Luck, full};

/// Luck with a seed, and what is drawn with it.
struct Draw(Luck);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// From `low` to `high`, both included.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).expect("low is not above high") + 1;
        low + i64::try_from(self.next() % span).expect("the span is small")
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(len).expect("a length")).expect("below the length")
    }

    fn once_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())].clone()
    }

    fn ppm(&mut self) -> u32 {
        u32::try_from(self.within(0, 1_000_000)).expect("at most a million")
    }
}

fn rules(luck: &mut Draw) -> Rules {
    Rules {
        calc: CALC_VERSION,
        settings: 1,
        currency: luck.one_of(&[Currency::EUR, Currency::VND, Currency::KWD]),
        prices_include_tax: luck.once_in(2),
        rounding: luck.one_of(&[Rounding::HalfAwayFromZero, Rounding::HalfEven]),
        tax_policy: luck.one_of(&[TaxPolicy::Group, TaxPolicy::Line]),
        cash_step: Money(luck.one_of(&[1, 5, 10, 50, 500])),
    }
}

fn discount(luck: &mut Draw, coupon: bool) -> Discount {
    let kind = match luck.within(0, 9) {
        0 => DiscountKind::Percent(1_000_000),
        1..=5 => DiscountKind::Percent(luck.ppm()),
        _ => DiscountKind::Fixed(Money(luck.within(0, 3_000))),
    };
    Discount { kind, reason: "test".into(), approver: None, coupon: coupon.then(|| "C".into()), pool: None }
}

fn line(luck: &mut Draw, at: usize) -> LineInput {
    let weighed = luck.once_in(3);
    let unit = if weighed {
        Unit { base: BaseUnit::Gram, base_per_unit: 1_000 }
    } else {
        Unit { base: BaseUnit::Piece, base_per_unit: 1 }
    };
    let (category, ppm) =
        luck.one_of(&[("zero", 0), ("low", 90_000), ("middle", 135_000), ("high", 230_000), ("odd", 88_750)]);
    LineInput {
        sku: Sku(format!("SKU-{}", at % 5)),
        name: "Thing".into(),
        unit,
        quantity: Quantity(if weighed { luck.within(1, 4_000) } else { luck.within(1, 7) * 1_000 }),
        unit_price: Money(luck.within(0, 9_999)),
        price_source: PriceSource::List { list: String::new(), version: CatalogVersion::default() },
        label_amount: luck.once_in(12).then(|| Money(luck.within(0, 2_000))),
        tax: Tax { category: category.into(), ppm },
        discounts: (0..luck.index(3)).map(|_| discount(luck, false)).collect(),
        serials: Vec::new(),
        age_check: None,
        kind: luck.one_of(&[LineKind::Goods, LineKind::Goods, LineKind::Service]),
    }
}

fn promotions(luck: &mut Draw) -> Vec<promotion::Promotion> {
    let count = luck.index(4);
    (0..count)
        .map(|i| {
            let take = u32::try_from(luck.within(2, 4)).expect("small");
            let pay = u32::try_from(luck.within(0, i64::from(take) - 1)).expect("small");
            promotion::Promotion {
                id: format!("P{i}"),
                name: "Promotion".into(),
                priority: i32::try_from(luck.within(0, 1)).expect("small"),
                rule: luck.one_of(&[
                    PromotionRule::NForM { take, pay },
                    PromotionRule::Percent(125_000),
                    PromotionRule::FixedOff(Money(33)),
                ]),
                skus: (0..5).filter(|_| luck.once_in(2)).map(|s| Sku(format!("SKU-{s}"))).collect(),
                valid_from: Default::default(),
                valid_to: None,
            }
        })
        .collect()
}

fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender {
        key: None,
        kind,
        amount: Money(amount),
        foreign: None,
        state: TenderState::Captured,
        reference: None,
        pool: None,
        original: None,
    }
}

/// Ways to pay a total: exactly, with notes, with odd coins, in part by card, or with too much by transfer.
fn tenders(luck: &mut Draw, total: i64, step: i64) -> Vec<Tender> {
    let notes = (total / step + 1 + luck.within(0, 20)) * step;
    let cash = |amount: i64| tender(TenderKind::Cash, amount);
    let card = |amount: i64| tender(TenderKind::Card, amount);
    match luck.within(0, 5) {
        _ if total < 2 => vec![cash(notes)],
        0 => vec![card(total)],
        1 => vec![cash(notes)],
        2 => vec![cash(notes + 1)],
        3 => vec![cash(total)],
        4 => vec![card(total / 2), cash(notes)],
        _ => vec![tender(TenderKind::BankTransfer, total + luck.within(0, 400))],
    }
}

/// A sale that the engine accepts.
fn sale(luck: &mut Draw) -> SaleDocument {
    let count = 1 + luck.index(6);
    let mut inputs = SaleInputs {
        rules: rules(luck),
        catalog: CatalogVersion::default(),
        lines: (0..count).map(|at| line(luck, at)).collect(),
        promotions: Vec::new(),
        order_discounts: Vec::new(),
        exemption: luck.once_in(9).then(|| Exemption { reason: "export".into(), certificate: "1".into() }),
        tenders: Vec::new(),
    };
    inputs.promotions =
        promotion::judge(&inputs, &promotions(luck), Default::default()).expect("promotions can be judged");
    inputs.order_discounts = (0..luck.index(3)).map(|i| discount(luck, i == 1)).collect();
    let total = total_due(&inputs).expect("the sale can be priced").total.0;
    inputs.tenders = tenders(luck, total, inputs.rules.cash_step.0);
    let outcome = ring_up(&inputs).expect("the tenders pay it");
    SaleDocument { inputs, outcome }
}

/// What one node writes, as its export says it.
#[derive(Default)]
struct Log {
    events: Vec<Value>,
    receipt: u64,
}

impl Log {
    fn add(&mut self, kind: &str, body: Value) {
        let seq = self.events.len() + 1;
        let hash = |n: usize| format!("{n:064x}");
        self.events.push(json!({
            "incarnation": "0123456789abcdef0123456789abcdef", "seq": seq, "hlc": seq << 16, "kind": kind,
            "version": 1, "prev_hash": hash(seq - 1), "hash": hash(seq), "body": body,
        }));
    }

    fn receipt(&mut self) -> Value {
        self.receipt += 1;
        json!({"till": "R1", "series": "AB12C", "n": self.receipt})
    }

    fn sale(&mut self, id: u64, document: &SaleDocument) {
        let base = |line: &LineInput| match line.kind {
            LineKind::Goods => line.unit.to_base(line.quantity).expect("a whole number of base units").0,
            _ => 0,
        };
        let moved: Vec<Value> =
            document.inputs.lines.iter().map(|line| json!({"m": 0, "c": base(line), "o": 0})).collect();
        let receipt = self.receipt();
        let body = json!({"sale_id": uuid(id), "receipt": receipt, "document": document, "moved": moved});
        self.add("sale.committed", body);
    }

    fn refund(&mut self, id: u64, document: &RefundDocument) {
        let receipt = self.receipt();
        let body = json!({
            "refund_id": uuid(id), "receipt": receipt, "document": document, "moved": [], "verification": "Verified",
        });
        self.add("refund.committed", body);
    }

    fn write(&self, path: &Path) {
        let lines: Vec<String> = self.events.iter().map(Value::to_string).collect();
        fs::write(path, lines.join("\n") + "\n").expect("the export can be written");
    }
}

fn uuid(n: u64) -> String {
    format!("00000000-0000-7000-8000-{n:012x}")
}

/// Brings a sale back in up to three parts, the last one perhaps not at all.
fn refunds(luck: &mut Draw, log: &mut Log, id: u64, sale: &SaleDocument) -> i64 {
    let mut before: BTreeMap<u16, Basis> = BTreeMap::new();
    let mut given = 0;
    for part in 0..=luck.index(3) {
        let at = u16::try_from(luck.index(sale.inputs.lines.len())).expect("few lines");
        let line = &sale.inputs.lines[usize::from(at)];
        let left = line.quantity.0 - before.get(&at).map_or(0, |basis| basis.quantity.0);
        let step = if line.unit.base == BaseUnit::Piece { 1_000 } else { 1 };
        if left < step {
            continue;
        }
        let quantity = Quantity(luck.within(1, left / step) * step);
        let condition = luck.one_of(&[Condition::Resell, Condition::Waste]);
        let back = Return { line: at, quantity, condition, serials: Vec::new() };
        let lines = lines_of(sale, &[back], &before).expect("it was sold");
        let original = OriginalSale { sale_id: id_bytes(id), series: "AB12C".into(), n: 1, store: None };
        let mut inputs = RefundInputs {
            rules: rules_of(sale),
            original: Some(original),
            lines,
            reason: "test".into(),
            tenders: Vec::new(),
        };
        let due = tradepost_commerce::refund_due(&inputs).expect("it can be computed");
        inputs.tenders = match (luck.once_in(2), due.total.0, due.cash_due.0) {
            (_, 0, _) => Vec::new(),
            (true, total, _) => vec![tender(TenderKind::Card, total)],
            (false, _, cash) => vec![tender(TenderKind::Cash, cash)],
        };
        let outcome = settle_refund(&inputs).expect("it can be paid out");
        let basis = before.entry(at).or_default();
        *basis = tradepost_commerce::refund::basis_after(&inputs.lines[0], &outcome.lines[0])
            .expect("small figures");
        given += outcome.settlement.total.0;
        log.refund(
            id * 10 + 1_000_000 + u64::try_from(part).expect("few parts"),
            &RefundDocument { inputs, outcome },
        );
    }
    given
}

fn id_bytes(n: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[6] = 0x70;
    id[8] = 0x80;
    id[10..].copy_from_slice(&n.to_be_bytes()[2..]);
    id
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tradepost-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn recompute(arguments: &[&Path]) -> (bool, Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/recompute.py");
    let out = Command::new(script).args(arguments).output().expect("recompute.py can be run");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    let said = serde_json::from_str(last)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&out.stderr)));
    (out.status.success(), said)
}

fn documents() -> u64 {
    if full() { 40_000 } else { 4_000 }
}

#[test]
fn both_computations_agree_to_the_minor_unit() {
    let mut luck = Draw(Luck::of_this_run("two computations"));
    let mut log = Log::default();
    let (mut sales, mut refunded) = (0, 0);
    for id in 1..=documents() {
        let sale = sale(&mut luck);
        log.sale(id, &sale);
        sales += sale.outcome.settlement.total.0;
        if luck.once_in(3) {
            refunded += refunds(&mut luck, &mut log, id, &sale);
        }
    }
    let folder = Folder::new("recompute");
    let export = folder.0.join("events.ndjson");
    log.write(&export);
    let (ok, said) = recompute(&[&export]);
    assert!(ok, "{}", said["differences"]);
    assert_eq!((&said["sales_total"], &said["refunds_total"]), (&json!(sales), &json!(refunded)));
    assert_eq!(said["documents"], json!(log.events.len()));
    assert_eq!(said["gapless"], json!(true));
}

#[test]
fn one_minor_unit_is_found_out() {
    let mut luck = Draw(Luck::of_this_run("spoilt books"));
    let mut log = Log::default();
    (1..=20).for_each(|id| log.sale(id, &sale(&mut luck)));
    let folder = Folder::new("tamper");
    let (export, copy) = (folder.0.join("events.ndjson"), folder.0.join("copy.ndjson"));
    log.write(&export);
    assert!(recompute(&[&export]).0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/recompute.py");
    let tampered =
        Command::new(script).arg("--tamper").args([&export, &copy]).status().expect("it can be run");
    assert!(tampered.success());
    let (ok, said) = recompute(&[&copy]);
    assert!(!ok && said["difference_count"].as_u64().is_some_and(|n| n > 0), "{said}");
}

#[test]
fn gaps_doubles_and_broken_chains_are_found_out() {
    let mut luck = Draw(Luck::of_this_run("spoilt books"));
    let mut log = Log::default();
    (1..=5).for_each(|id| log.sale(id, &sale(&mut luck)));
    let folder = Folder::new("gaps");
    let export = folder.0.join("events.ndjson");
    type Spoil = fn(&mut Vec<Value>);
    let stories: [(&str, Spoil); 4] = [
        ("an event is missing", |events| drop(events.remove(2))),
        ("a sale is booked twice", |events| {
            events[3]["body"]["sale_id"] = events[1]["body"]["sale_id"].clone()
        }),
        ("a receipt number is used twice", |events| events[3]["body"]["receipt"]["n"] = json!(2)),
        ("an event follows another than it says", |events| events[4]["prev_hash"] = json!("00")),
    ];
    for (story, spoil) in stories {
        let mut spoilt = Log { events: log.events.clone(), receipt: 0 };
        spoil(&mut spoilt.events);
        spoilt.write(&export);
        assert!(!recompute(&[&export]).0, "{story}, and nobody noticed");
    }
}
