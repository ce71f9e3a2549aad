//! The first morning: stores, range, prices, and every machine enrolled.

use super::world::{BEGIN, Item, World};
use tradepost_central::app::enrol::{self, Application};
use tradepost_central::app::{prices, products, stores};
use tradepost_commerce::document::Sku;
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_commerce::product::Product;
use tradepost_node::app::enrol::{Hub as Membership, accept, application as told, prepare};
use tradepost_sync::ids::Incarnation;
use tradepost_sync::signing::enrolment_hash;

/// Items that are sold only within rights, and items in hand.
const STRICT: usize = 2;
const IN_HAND: usize = 4;

impl World {
    /// Makes the stores and the range, and enrols every machine.
    pub(super) fn set_up(&mut self) {
        for store in 0..self.plan.stores {
            self.open_store(store);
        }
        for item in 0..STRICT + IN_HAND {
            self.put_item(item);
        }
        for store in 0..self.plan.stores {
            self.enrol_later_program(store);
        }
        for machine in 0..self.machines.len() {
            self.first_start(machine);
            self.enrol(machine);
        }
    }

    fn open_store(&mut self, store: usize) {
        let code = format!("S{}", store + 1);
        let settings = serde_json::json!({
            "taxes": [{"category": "standard", "ppm": 230_000, "valid_from": 0}],
            "web_share_ppm": 300_000,
        });
        let own = self.incarnation();
        let opened = self.with_hub(|hub| stores::open(hub, &code, &code, Some(&settings), own, BEGIN));
        let opened = opened.expect("the hub opens a store");
        self.stores.push((code, opened.no));
    }

    fn put_item(&mut self, item: usize) {
        let strict = item < STRICT;
        let sku = if strict { format!("STRICT-{item}") } else { format!("HAND-{item}") };
        let price = i64::try_from(self.between(100, 900)).unwrap_or(100);
        let product: Product = serde_json::from_value(serde_json::json!({
            "sku": sku, "name": format!("item {item}"), "tax_category": "standard",
            "policy": if strict { "Strict" } else { "InHand" },
        }))
        .expect("a plain product");
        let entry = PriceEntry {
            list: String::new(),
            sku: Sku(sku.clone()),
            price: Money(price),
            valid_from: tradepost_commerce::time::UtcMs(0),
            valid_to: None,
        };
        let new = [prices::NewPrice { store: None, entry }];
        self.with_hub(|hub| products::put(hub, &product, None, BEGIN)).expect("a new product");
        self.with_hub(|hub| prices::publish(hub, &new, BEGIN)).expect("a new price");
        if strict {
            self.oracle.strict.insert(item);
        }
        self.oracle.codes.insert(sku.clone(), item);
        self.oracle.prices.entry(item).or_default().insert(price);
        self.items.push(Item { sku, price });
    }

    fn first_start(&mut self, machine: usize) {
        let opening = self.machines[machine].start(self.now).expect("a first start");
        self.say(&format!("{} starts: {opening:?}", self.machines[machine].name));
    }

    /// A machine is carried a code and becomes a member, as its program would do it over the wire. Also one that the hub
    /// would not take back by itself.
    pub(super) fn enrol(&mut self, machine: usize) {
        let (code, _) = self.stores[self.machines[machine].store].clone();
        let (secret, at, tau) = (self.luck.next().to_le_bytes(), self.now, self.tau());
        self.with_hub(|hub| enrol::make_code(hub, &code, secret, 10, None, at)).expect("a code");
        let now = self.machines[machine].clocks(self.now).expect("it runs");
        let name = self.machines[machine].name.clone();
        let node = &mut self.machines[machine].running.as_mut().expect("it runs").node;
        node.begin().expect("a group");
        let successor = prepare(node, now).expect("it may enrol");
        let lone = told(node, successor).expect("it tells of itself");
        let applicant = Application {
            secret,
            incarnation: successor,
            device_key: node.device().public(),
            proof: node.device().sign_enrolment(&successor, &enrolment_hash(&secret)),
            node_name: name,
            program: "tradepost-node simulated".to_owned(),
            lone_head: lone.lone,
            items: Default::default(),
            staff: lone.staff,
            earlier: lone.earlier,
        };
        let hub = self.hub.hub.as_ref().expect("the hub runs");
        let member = enrol::enrol(hub, &applicant, at).expect("the hub takes it in");
        let membership = Membership {
            address: hub.face.address.clone(),
            fingerprint: hub.face.fingerprint,
            key: hub.device.public(),
            incarnation: member.hub_incarnation,
            store_code: member.store.code,
            store_name: member.store.name,
        };
        accept(node, now, &membership, Some(tau)).expect("it is a member");
        node.commit().expect("it is durable");
    }

    pub(super) fn incarnation(&mut self) -> Incarnation {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.luck.next().to_le_bytes());
        id[8..].copy_from_slice(&self.luck.next().to_le_bytes());
        Incarnation(id)
    }
}
