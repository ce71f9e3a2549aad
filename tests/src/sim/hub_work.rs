//! What the hub does for a link, as its own pump would have it done beside the link.

use super::oracle::WebOrder;
use super::plant::Plant;
use super::world::{Due, World};
use tradepost_central::app::batches::{self, Wanted};
use tradepost_central::app::{
    Fault, barrier, burns, catalog, grants, hub_time, ingest, lease, nodes, prices, reserve,
};
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_commerce::money::Money;
use tradepost_commerce::price_book::PriceEntry;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::LeaseAsk;
use tradepost_sync::session::{Applied, BarrierWord, Batch, Hello, Input, Refusal};

/// How long a web order may wait.
const ORDER_LIVES_MS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// A piece of work.
pub(super) enum HubWork {
    /// Who calls?
    Identify(Box<Hello>),
    /// The caller was met.
    Met(Box<Hello>),
    /// A stretch of a stream.
    Read(Wanted),
    /// A batch.
    Apply(Box<Batch>),
    /// Catalog entries.
    ReadCatalog(CatalogVersion, usize),
    /// The caller holds the catalog.
    CatalogAcked(CatalogVersion),
    /// The caller's word about a barrier.
    Hear(BarrierWord),
    /// What does the caller owe a barrier, and what is it to burn?
    AskAgain,
    /// A lease is asked for.
    GiveLease(LeaseAsk),
    /// Something new is there.
    News,
}

impl World {
    pub(super) fn hub_work(&mut self, link: u64, work: HubWork) {
        let closed = self.links.get(&link).is_none_or(|it| it.sides[1].closed);
        if closed || self.hub.hub.is_none() {
            return;
        }
        let input = match work {
            HubWork::Identify(hello) => self.identify(link, &hello),
            HubWork::Met(hello) => {
                let now = self.now;
                // Of the moment, not of the world's luck: it is seldom asked for.
                let mut luck = [0; 32];
                luck[..8].copy_from_slice(&now.to_le_bytes());
                luck[8..16].copy_from_slice(&link.to_le_bytes());
                let restored = self.hub.restored;
                let asked = std::cell::Cell::new(false);
                let luck = || {
                    asked.set(true);
                    Ok(luck)
                };
                self.with_hub(|hub| nodes::met(hub, &hello, now, luck)).ok();
                if asked.get() {
                    self.hub.look_at_time();
                    self.say(&format!("{} holds a catalog that the hub forgot", hello.incarnation));
                    if !restored {
                        self.oracle.blame("the hub believes that it lost memory".to_owned());
                    }
                    self.spread_news();
                }
                let present = self.hub.hub.as_ref().map(|hub| hub.present.met(hello.incarnation));
                if let Some(it) = self.links.get_mut(&link) {
                    it.sides[1].present = present;
                }
                self.hub_news(link)
            }
            HubWork::Read(wanted) => {
                let batch = self.with_hub(|hub| batches::read(hub, &wanted)).ok().flatten();
                if let (Some(batch), Some(machine)) =
                    (&batch, self.links.get(&link).and_then(|it| it.sides[0].who))
                {
                    let batch = batch.clone();
                    self.remember(machine, &batch);
                }
                Some(Input::Read(batch))
            }
            HubWork::Apply(batch) => Some(Input::Applied(self.take_in(link, &batch))),
            HubWork::ReadCatalog(after, max) => {
                let store = self.store_of(link);
                let read = store.map(|store| self.with_hub(|hub| catalog::entries(hub, store, after, max)));
                Some(Input::CatalogRead(read.and_then(Result::ok).unwrap_or_default()))
            }
            HubWork::CatalogAcked(has) => {
                let (now, node) = (self.now, self.links.get(&link).and_then(|it| it.sides[1].peer));
                if let Some(node) = node {
                    self.with_hub(|hub| catalog::delivered(hub, &node, has, now)).ok();
                }
                None
            }
            HubWork::Hear(word) => {
                let now = self.now;
                if let Some((store, who)) = self.store_of(link).zip(self.peer_of(link)) {
                    self.with_hub(|hub| barrier::hear(hub, store, &who, &word, now)).ok();
                }
                None
            }
            HubWork::GiveLease(ask) => {
                let (now, store) = (self.now, self.store_of(link));
                let given = store.map(|store| self.with_hub(|hub| lease::give(hub, store, &ask, now)));
                given.and_then(Result::ok).flatten().map(Input::LeaseGiven)
            }
            HubWork::AskAgain => {
                self.ask_of_member(link);
                None
            }
            HubWork::News => {
                self.ask_of_member(link);
                self.hub_news(link)
            }
        };
        if let Some(input) = input {
            self.give(link, 1, input);
        }
        self.spread_news();
    }

    /// Runs something at the hub; a fault that is no refusal is wrong.
    pub(super) fn with_hub<T>(
        &mut self,
        job: impl FnOnce(&tradepost_central::hub::Hub) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(hub) = &self.hub.hub else {
            return Err(Fault::internal("the hub is off"));
        };
        let done = job(hub);
        if let Err(fault) = &done
            && !matches!(fault, Fault::Refused { .. })
        {
            self.oracle.blame(format!("the hub failed: {fault}"));
        }
        done
    }

    fn identify(&mut self, link: u64, hello: &Hello) -> Option<Input> {
        let found = self.with_hub(|hub| nodes::identify(hub, hello));
        let answer = match found {
            Ok(Ok((mut caller, store))) => {
                if self.planted(Plant::LostRequeue) {
                    // Whatever was said before is taken for heard.
                    hello.own_head.into_iter().for_each(|head| caller.frontier.advance(head));
                }
                if let Some(it) = self.links.get_mut(&link) {
                    (it.sides[1].store, it.sides[1].peer) = (Some(store), Some(hello.incarnation));
                    it.sides[1].own = Some(caller.hub_incarnation);
                }
                Ok(caller)
            }
            Ok(Err(refusal)) => {
                self.say(&format!("the hub refuses {}: {refusal:?}", short(&hello.incarnation.to_string())));
                Err(refusal)
            }
            Err(_) => Err(Refusal::Busy),
        };
        Some(Input::Identified(answer))
    }

    fn peer_of(&self, link: u64) -> Option<Incarnation> {
        self.links.get(&link).filter(|it| it.sides[1].session.met()).and_then(|it| it.sides[1].peer)
    }

    fn ask_of_member(&mut self, link: u64) {
        let Some((store, who)) = self.store_of(link).zip(self.peer_of(link)) else { return };
        if let Ok(Some(word)) = self.with_hub(|hub| barrier::word_for(hub, store, &who)) {
            self.give(link, 1, Input::Barrier(word));
        }
        let asks = self.with_hub(|hub| burns::asks_for(hub, &who)).unwrap_or_default();
        if !asks.is_empty() {
            self.give(link, 1, Input::AskToBurn(asks));
        }
    }

    fn store_of(&self, link: u64) -> Option<i64> {
        self.links.get(&link).and_then(|it| it.sides[1].store)
    }

    fn take_in(&mut self, link: u64, batch: &Batch) -> Applied {
        let Some(store) = self.store_of(link) else {
            return Applied::Bad;
        };
        let now = self.now;
        let held = self.held_at_hub(batch);
        let (Some(hub), Some(it)) = (&self.hub.hub, self.links.get(&link)) else {
            return Applied::Later;
        };
        let done = ingest::ingest(hub, &it.sides[1].shelf, store, batch, now);
        let applied = match done {
            Ok(applied) => applied,
            Err(fault) => {
                self.oracle.blame(format!("the hub could not take a batch in: {fault}"));
                Applied::Later
            }
        };
        self.said_of(batch, &applied);
        if matches!(applied, Applied::Done(_)) {
            self.tamper_at_hub(batch, held, store);
        }
        applied
    }

    /// How far the hub holds a batch's stream.
    pub(super) fn held_at_hub(&mut self, batch: &Batch) -> u64 {
        let head = self.with_hub(|hub| ingest::head(hub, &batch.incarnation)).ok().flatten();
        head.map_or(0, |head| head.seq)
    }

    pub(super) fn said_of(&mut self, batch: &Batch, applied: &Applied) {
        let of = batch.incarnation.to_string();
        let of = short(&of);
        let what = match applied {
            Applied::Done(head) => format!("done {} {}", head.seq, short(&head.hash.to_string())),
            Applied::NeedFrom { from, .. } => format!("needs from {from}"),
            Applied::NeedRaw { from, to, .. } => format!("needs raw {from}..{to}"),
            other => format!("{other:?}"),
        };
        self.say(&format!("hub takes {of} {}..{}: {what}", batch.from, batch.to()));
    }

    fn hub_news(&mut self, link: u64) -> Option<Input> {
        let met = self.links.get(&link).is_some_and(|it| it.sides[1].session.met());
        let store = self.store_of(link).filter(|_| met)?;
        let who = self.peer_of(link)?;
        let own = self.links.get(&link).and_then(|it| it.sides[1].own)?;
        let goes_on =
            self.with_hub(|hub| Ok(nodes::is_member(hub, &who)? && nodes::speaks_for(hub, store, &own)?));
        if !goes_on.unwrap_or(true) {
            self.drop_link(link);
            return None;
        }
        let heads = self.with_hub(|hub| batches::heads(hub, store)).ok()?;
        let catalog = self.with_hub(catalog::head).ok()?.at;
        Some(Input::Local { heads, catalog })
    }

    /// Whoever waits for news at the hub is woken.
    pub(super) fn spread_news(&mut self) {
        let Some(hub) = &self.hub.hub else { return };
        let poked = *hub.pokes.borrow();
        if std::mem::replace(&mut self.poked, poked) == poked {
            return;
        }
        let open = |link: &super::world::Link| !link.is_lan() && link.sides[1].store.is_some();
        let links: Vec<u64> = self.links.iter().filter(|(_, link)| open(link)).map(|(no, _)| *no).collect();
        for link in links {
            let after = self.between(1, 6);
            self.later(after, Due::Hub { link, work: HubWork::News });
        }
    }

    /// Headquarters work: a new price, or rights given back to a store.
    pub(super) fn office(&mut self) {
        if self.healing {
            return;
        }
        let pause = self.between(4_000, 20_000);
        self.later(pause, Due::Office);
        if self.hub.hub.is_none() {
            return;
        }
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let item = usize::try_from(self.luck.below(items)).unwrap_or(0);
        let sku = self.items[item].sku.clone();
        if self.once_in(3) {
            self.web_order();
        } else if self.once_in(2) {
            let price = i64::try_from(self.between(100, 900)).unwrap_or(100);
            self.oracle.prices.entry(item).or_default().insert(price);
            self.items[item].price = price;
            let entry = PriceEntry {
                list: String::new(),
                sku: Sku(sku.clone()),
                price: Money(price),
                valid_from: tradepost_commerce::time::UtcMs(0),
                valid_to: None,
            };
            let now = self.now;
            let price_for_all = [prices::NewPrice { store: None, entry }];
            let at = self.with_hub(|hub| prices::publish(hub, &price_for_all, now));
            self.say(&format!("price of {sku} is {price}: {at:?}"));
        } else {
            let stores = u64::try_from(self.stores.len()).unwrap_or(1);
            let store = usize::try_from(self.luck.below(stores)).unwrap_or(0);
            let (code, units) = (self.stores[store].0.clone(), self.between(1, 3));
            let now = self.now;
            let left = self.with_hub(|hub| grants::grant(hub, &code, &sku, units, now)).ok();
            self.say(&format!("hub gives {units} of {sku} to {code}: {left:?} left"));
        }
        self.spread_news();
    }

    /// Somebody orders a strict item on the web, to be picked up at a store.
    fn web_order(&mut self) {
        let strict = u64::try_from(self.oracle.strict.len()).unwrap_or(1);
        let item = usize::try_from(self.luck.below(strict)).unwrap_or(0);
        let machines = u64::try_from(self.machines.len()).unwrap_or(1);
        let machine = usize::try_from(self.luck.below(machines)).unwrap_or(0);
        let (store, id, units) = (self.machines[machine].store, self.fresh_id(), self.between(1, 3));
        let wanted = reserve::Wanted {
            id,
            store: self.stores[store].0.clone(),
            sku: self.items[item].sku.clone(),
            units,
            order: id,
            reference: format!("W{}", self.oracle.web.len()),
            expires: self.now + ORDER_LIVES_MS,
            custodian: Some(self.machines[machine].name.clone()),
            prepaid: Some(i64::try_from(units).unwrap_or(0) * 100),
        };
        let now = self.tau();
        let taken = self.with_hub(|hub| reserve::open(hub, &wanted, now)).is_ok();
        self.say(&format!(
            "web order of {units} of {} at {}: {taken}",
            wanted.sku, self.machines[machine].name
        ));
        if taken {
            self.tamper_promise(store, item, units);
            self.oracle.promised(WebOrder {
                id,
                store,
                sku: item,
                units,
                machine,
                state: "open",
                unsure: false,
            });
        }
    }

    /// Hub time as the hub itself reads it.
    pub(super) fn hub_clock_is_right(&mut self) -> bool {
        let now = self.now;
        self.with_hub(|hub| Ok(hub_time(&hub.db)?)).is_ok_and(|tau| tau.ms == now)
    }
}

/// The first characters of an id, enough to tell two apart.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
