//! Memory that is lost, with real processes and again and again: hubs put back from a backup, nodes put back from an image,
//! machines started twice from one image (`model.md` §3, Amnesia). What the customers were answered is kept here, and judged
//! by it: nothing is lost that anybody still held, nothing is used twice, nothing strict is sold or promised beyond the goods.

#![allow(clippy::print_stdout, reason = "what was measured is said")]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tradepost_tests::ids::uuid_v7;
use tradepost_tests::lan::{LanStore, SOON, STORE};
use tradepost_tests::process::wait_for;
use tradepost_tests::proxy::Weather;
use tradepost_tests::seed::{Luck, full};

/// One is sold only out of rights, the other one is in the customer's hand.
const ITEMS: &[(&str, &str)] = &[("CAMERA", "Strict"), ("MILK", "InHand")];
const CAMERAS: u64 = 12;
const MILK: u64 = 60;
const EAST: usize = 0;
const WEST: usize = 1;
/// Nobody tries to buy more often than this.
const TRIES_MAX: usize = 40;

/// What customers were answered.
#[derive(Default)]
struct Answered {
    /// Sales, by item.
    sold: BTreeMap<&'static str, BTreeSet<String>>,
    /// Cameras that web orders were promised.
    promised: BTreeMap<String, u64>,
    refused: u64,
}

/// A store, and what its customers know.
struct Story {
    store: LanStore,
    answered: Answered,
    luck: Luck,
}

/// What a kind of story came to.
#[derive(Default)]
struct Figures {
    sales: usize,
    promises: usize,
    refused: u64,
}

impl Story {
    fn open(name: &str, luck: &mut Luck) -> Self {
        let store = LanStore::open(name, &["east", "west"], ITEMS);
        let mut story = Self { store, answered: Answered::default(), luck: Luck::new(luck.next()) };
        story.store.nodes[EAST].receive("CAMERA", CAMERAS);
        story.store.nodes[EAST].receive("MILK", MILK);
        let west = story.incarnation(WEST);
        story.give(EAST, &west, 4);
        story.give(EAST, "hub", 4);
        story.until("the hub to have borrowed", |story| story.at_hub("CAMERA")["hub_rights"] == 4);
        story.store.agrees();
        story
    }

    fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        if let Err(late) = wait_for(what, SOON, || condition(self)) {
            let told: Vec<Value> = self.store.nodes.iter_mut().map(|node| node.status()).collect();
            let hub = self.store.ask("GET", "/v1/hub/recovery", &Value::Null).text();
            panic!("{late}: {told:#?}\n{hub}\n{:#}", self.at_hub("CAMERA"));
        }
    }

    fn incarnation(&mut self, node: usize) -> String {
        self.store.nodes[node].status()["incarnation"].as_str().unwrap_or_default().to_owned()
    }

    fn give(&mut self, node: usize, to: &str, units: u64) {
        let body = json!({"id": uuid_v7(), "to": to, "units": units});
        let _ = self.store.nodes[node].ask("POST", "/v1/stock/CAMERA/grants", &body).ok();
    }

    fn at_hub(&mut self, sku: &str) -> Value {
        self.store.ask("GET", &format!("/v1/stores/{STORE}/stock/{sku}"), &Value::Null).ok()
    }

    /// A customer buys one; whether there was an answer that lets them go with it.
    fn sell(&mut self, node: usize, sku: &'static str) -> bool {
        let (sale, answer) = self.store.nodes[node].sell(sku, 1);
        if answer.status == 201 {
            self.answered.sold.entry(sku).or_default().insert(sale);
            return true;
        }
        assert_eq!((sku, answer.status), ("CAMERA", 409), "what is in hand is sold: {}", answer.text());
        self.answered.refused += 1;
        false
    }

    fn sell_some(&mut self, times: u64) {
        for _ in 0..times {
            let node = usize::try_from(self.luck.below(2)).expect("a small number");
            let sku = if self.luck.below(3) == 0 { "CAMERA" } else { "MILK" };
            self.sell(node, sku);
        }
    }

    /// A web order asks for a camera; whether it is promised one.
    fn promise(&mut self) -> bool {
        let order = json!({
            "id": uuid_v7(), "store": STORE, "sku": "CAMERA", "units": 1, "order": uuid_v7(), "reference": "W-1",
            "expires": "2099-01-01T00:00:00Z", "custodian": "hub",
        });
        let answer = self.store.ask("POST", "/v1/reservations", &order);
        if answer.status == 201 {
            self.answered.promised.insert(order["id"].as_str().expect("an id").to_owned(), 1);
            return true;
        }
        self.answered.refused += 1;
        false
    }

    /// The hub holds each of these sales.
    fn hub_holds(&mut self, sales: &BTreeSet<String>) {
        for sale in sales {
            self.until("the hub to hold the sale", |story| story.store.hub_has(sale));
        }
    }

    fn all_sold(&self) -> BTreeSet<String> {
        self.answered.sold.values().flatten().cloned().collect()
    }

    /// Everybody buys until nothing is left: whatever was forgotten, no more goes out than came in.
    fn sell_out(&mut self) {
        for node in 0..self.store.nodes.len() {
            for _ in 0..TRIES_MAX {
                if !self.sell(node, "CAMERA") {
                    break;
                }
            }
        }
        for _ in 0..TRIES_MAX {
            if !self.promise() {
                break;
            }
        }
    }

    /// The judgement: every sale is booked once, no number is given twice, goods and promises are what they must be.
    fn judge(&mut self) -> Figures {
        self.sell_out();
        let sold = self.all_sold();
        self.hub_holds(&sold);
        self.store.agrees();
        let orders = self.pages("/v1/orders");
        let booked: Vec<&str> = orders.iter().filter_map(|order| order["id"].as_str()).collect();
        let once: BTreeSet<String> = booked.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(booked.len(), once.len(), "no sale is booked twice");
        assert_eq!(once, sold, "every sale is booked, and no other");
        let mut numbers = BTreeSet::new();
        let twice = orders.iter().filter(|order| {
            let receipt = &order["receipt"];
            !numbers.insert((receipt["series"].to_string(), receipt["n"].to_string()))
        });
        let flagged = self.pages("/v1/review").iter().filter(|one| one["kind"] == "receipt_twice").count();
        assert!(twice.count() <= flagged, "a number is given once, or a person is told");
        let gone = |sku: &str| self.answered.sold.get(sku).map_or(0, BTreeSet::len);
        let (cameras, milk) = (gone("CAMERA"), gone("MILK"));
        let promised: u64 = self.answered.promised.values().sum();
        let out = u64::try_from(cameras).expect("few") + promised;
        assert!(out <= CAMERAS, "{out} cameras of {CAMERAS} are sold or promised");
        for (sku, came, gone) in [("CAMERA", CAMERAS, cameras), ("MILK", MILK, milk)] {
            let left = i64::try_from(came).expect("few") - i64::try_from(gone).expect("few");
            assert_eq!(self.at_hub(sku)["on_hand"], left, "{sku}");
            for node in 0..self.store.nodes.len() {
                assert_eq!(self.store.nodes[node].figure(sku, "on_hand"), left, "{sku}");
            }
        }
        Figures { sales: sold.len(), promises: self.answered.promised.len(), refused: self.answered.refused }
    }

    fn pages(&mut self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = format!("{path}?limit=200");
        loop {
            let page = self.store.ask("GET", &next, &Value::Null).ok();
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(further) => next = format!("{path}?limit=200&cursor={further}"),
                None => return rows,
            }
        }
    }

    fn links(&self, weather: Weather) {
        self.store.nodes.iter().for_each(|node| node.hub_link(weather));
    }

    fn may_promise_again(&mut self) {
        self.until("the nodes to be members with a lease", |story| {
            story.store.nodes.iter_mut().all(|node| {
                let status = node.status();
                status["registered"] == true && status["lease"]["held"] == true
            })
        });
    }
}

/// Everything that a disk's image holds.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the node's folder").filter_map(Result::ok) {
        let name = entry.file_name();
        // The memory that SQLite shares between processes is no part of a disk.
        if entry.path().is_file() && !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).expect("a file can be copied");
        }
    }
}

fn image_of(story: &mut Story, node: usize) -> PathBuf {
    let image = story.store.nodes[node].data_dir().with_extension("image");
    story.store.nodes[node].kill();
    copy(&story.store.nodes[node].data_dir(), &image);
    image
}

/// Runs a kind of story so many times, each time in a store of its own, and says what it came to.
fn many(kind: &str, times: u64, mut one: impl FnMut(u64, &mut Luck) -> Figures) {
    let mut luck = Luck::of_this_run(&format!("faults_memory {kind}"));
    let mut sum = Figures::default();
    for round in 0..times {
        let came = one(round, &mut luck);
        sum.sales += came.sales;
        sum.promises += came.promises;
        sum.refused += came.refused;
    }
    println!(
        "{kind}: {times} times; {} sales and {} promises answered, {} refused; 0 lost that anybody held, 0 used twice, \
         0 beyond the goods",
        sum.sales, sum.promises, sum.refused
    );
}

/// The hub dies and is put back from a backup: with its journal what only it had promised comes back, without it what it
/// held is suspended.
#[test]
fn hubs_that_are_put_back_lose_and_promise_nothing_twice() {
    many("hub restored", if full() { 20 } else { 2 }, |round, luck| {
        let mut story = Story::open(&format!("memory-hub-{round}"), luck);
        story.sell_some(3);
        story.promise();
        story.store.agrees();
        let (code, said) = story.store.hub_command("backup", &story.store.path("backup"));
        assert_eq!(code, 0, "{said}");
        story.sell_some(4);
        story.promise();
        story.store.agrees();
        // From here on nobody but the hub knows of the promise, and nobody but the nodes of the sales.
        let known: BTreeSet<String> = story.answered.promised.keys().cloned().collect();
        story.links(Weather::Closed);
        story.promise();
        story.sell_some(3);
        story.store.hub_gone();
        let (code, said) = story.store.hub_command("restore", &story.store.path("backup"));
        assert_eq!(code, 0, "{said}");
        let kept = round % 2 == 0;
        if !kept {
            std::fs::remove_dir_all(story.store.journal()).expect("the journal is gone");
        }
        story.store.hub_back();
        story.sell_some(2);
        story.links(Weather::Clear);
        if !kept {
            let body = json!({"attested": "the operator: nobody was enrolled since"});
            let _ = story.store.ask("POST", "/v1/hub/recovery/attestation", &body).ok();
        }
        story.until("the recovery's end", |story| {
            let shown = story.store.ask("GET", "/v1/hub/recovery", &Value::Null).ok();
            shown["recovering"] == false
        });
        let held: BTreeSet<String> =
            if kept { story.answered.promised.keys().cloned().collect() } else { known };
        for id in held {
            let shown = story.store.ask("GET", &format!("/v1/reservations/{id}"), &Value::Null).ok();
            assert_eq!(shown["state"], "open", "a promise that somebody held stands: {shown:#}");
        }
        story.may_promise_again();
        story.judge()
    });
}

/// A node's disk is put back: the database under a newer sidecar, without a sidecar, or whole.
#[test]
fn nodes_that_are_put_back_lose_and_use_nothing_twice() {
    many("node restored", if full() { 20 } else { 2 }, |round, luck| {
        let mut story = Story::open(&format!("memory-node-{round}"), luck);
        story.sell_some(3);
        let image = image_of(&mut story, EAST);
        story.store.nodes[EAST].start();
        story.may_promise_again();
        story.sell_some(6);
        story.sell(EAST, "MILK");
        let told = story.all_sold();
        story.hub_holds(&told);
        let forgotten = story.incarnation(EAST);
        story.store.nodes[EAST].kill();
        let data = story.store.nodes[EAST].data_dir();
        let sidecar = std::fs::read(data.join("sidecar")).expect("a sidecar");
        copy(&image, &data);
        match story.luck.below(3) {
            0 => std::fs::write(data.join("sidecar"), sidecar).expect("it can be written"),
            1 => std::fs::remove_file(data.join("sidecar")).expect("it was there"),
            _ => {}
        }
        // It starts where nobody can tell it, and sells what is in the customers' hands.
        story.store.nodes[EAST].hub_link(Weather::Closed);
        story.store.nodes[EAST].start();
        for _ in 0..2 {
            story.sell(EAST, "MILK");
        }
        assert!(!story.sell(EAST, "CAMERA"), "nothing strict before the hub has heard of this start");
        story.store.nodes[EAST].hub_link(Weather::Clear);
        story.until("another incarnation", |story| story.incarnation(EAST) != forgotten);
        story.may_promise_again();
        story.sell_some(3);
        story.judge()
    });
}

/// One image on two machines: the first that starts is acknowledged and sells on, the second is a fork (G36).
#[test]
fn machines_from_one_image_sell_and_promise_nothing_twice() {
    many("cloned", if full() { 10 } else { 1 }, |round, luck| {
        let mut story = Story::open(&format!("memory-clone-{round}"), luck);
        story.sell_some(3);
        let told = story.all_sold();
        story.hub_holds(&told);
        let image = image_of(&mut story, EAST);
        story.store.nodes[EAST].start();
        story.may_promise_again();
        story.store.nodes[EAST].hub_link(Weather::Closed);
        for _ in 0..2 {
            story.sell(EAST, "CAMERA");
        }
        story.sell(EAST, "MILK");
        story.store.add_image("copy", &image, Weather::Clear);
        let copy = story.store.nodes.len() - 1;
        let before = story.all_sold();
        for _ in 0..2 {
            story.sell(copy, "MILK");
        }
        // What the copy sold is said again by its new incarnation, as long as nobody knows that it is a copy.
        let of_copy: BTreeSet<String> = story.all_sold().difference(&before).cloned().collect();
        story.hub_holds(&of_copy);
        story.store.nodes[EAST].hub_link(Weather::Clear);
        story.until("two machines to be found", |story| {
            story.pages("/v1/review").iter().any(|one| one["kind"] == "two_machines")
        });
        for machine in [EAST, copy] {
            story.until("it is fenced", |story| {
                story.store.nodes[machine].status()["hub"]["needs_code"] == true
            });
            assert!(!story.sell(machine, "CAMERA"), "nothing strict is sold by either");
        }
        // A person says which is the right one.
        story.store.nodes[copy].kill();
        story.store.nodes.truncate(copy);
        story.store.enrol(EAST);
        story.may_promise_again();
        story.judge()
    });
}
