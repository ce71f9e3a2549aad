//! A member whose program is a later one: the simulator writes its stream itself, and others relay what they don't know.

use super::world::World;
use crate::hub_bench::{Writer, application};
use tradepost_central::app::{barrier, enrol};
use tradepost_central::db::{DbError, authors, stores};
use tradepost_central::hub::Hub;
use tradepost_central::presence::Present;
use tradepost_commerce::document::Sku;
use tradepost_sync::effects::{Cell, CellEffect, Effects, LedgerEffect, MovementKind};
use tradepost_sync::event::{ENVELOPE_FORMAT, Envelope, Event, Head};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::BarrierWord;

/// A kind that no program of today knows.
const LATER_KIND: u16 = 900;
/// `sale.committed`, whose body is noise here.
const SALE_KIND: u16 = 4;

/// A later program's stream in one store.
pub(super) struct Later {
    writer: Writer,
    /// What of it was handed in.
    handed: u64,
    /// It is in session, while the hub runs.
    pub(super) present: Option<Present>,
}

impl World {
    /// A store gets its member of a later program.
    pub(super) fn enrol_later_program(&mut self, store: usize) {
        let number = u8::try_from(store).unwrap_or(0) + 200;
        let mut writer = Writer::new(number);
        writer.started();
        let code = self.stores[store].0.clone();
        let hub = self.hub.hub.as_ref().expect("the hub runs");
        let applicant = application(hub, &code, &writer, [number; 8]);
        enrol::enrol(hub, &applicant, super::world::BEGIN).expect("the hub takes it in");
        self.later.push(Later { writer, handed: 0, present: None });
    }

    /// A later program is in session whenever the hub runs, and knows what a member owes a barrier.
    pub(super) fn later_programs_answer(&mut self) {
        for store in 0..self.later.len() {
            let (number, now) = (self.stores[store].1, self.now);
            let (who, hash) = (self.later[store].writer.incarnation(), self.later[store].hash_handed());
            let seq = self.later[store].handed;
            if self.later[store].present.is_none() {
                self.later[store].present = self.hub.hub.as_ref().map(|hub| hub.present.met(who));
            }
            let forgotten = self.hub.head_of(number, &who);
            if self.hub.restored && forgotten < seq {
                let batch = self.later[store].writer.raw(forgotten + 1, seq);
                self.hub_hears_again(store, &batch);
            }
            let word = self.with_hub(|hub| barrier::word_for(hub, number, &who)).ok().flatten();
            let answer = match word {
                Some(BarrierWord::Ask { barrier }) => {
                    let own = hash.map(|hash| HeadMark { incarnation: who, seq, hash });
                    Some(BarrierWord::Reply { barrier, heads: own.into_iter().collect() })
                }
                Some(BarrierWord::Proposal { barrier, .. }) => Some(BarrierWord::Ack { barrier }),
                _ => None,
            };
            if let Some(answer) = answer {
                self.with_hub(|hub| barrier::hear(hub, number, &who, &answer, now)).ok();
            }
        }
    }

    /// A later program writes what nobody knows, or noise, and somebody brings it to the hub.
    pub(super) fn later_event(&mut self, machine: usize) {
        if self.hub.hub.is_none() {
            return;
        }
        let store = self.machines[machine].store;
        let poison = self.once_in(3);
        let items = u64::try_from(self.items.len()).unwrap_or(1);
        let item = usize::try_from(self.luck.below(items)).unwrap_or(0);
        let units = self.between(1, 5);
        let sku = Sku(self.items[item].sku.clone());
        let number = self.stores[store].1;
        let Some(hub) = self.hub.hub.as_ref().and_then(|hub| own_incarnation(hub, number)) else { return };
        let Later { writer, handed, .. } = &mut self.later[store];
        let event = if poison {
            sealed(writer.head, SALE_KIND, None)
        } else {
            sealed(writer.head, LATER_KIND, Some(receipt(sku, units, hub)))
        };
        let envelope = &event.envelope;
        let (author, seq) = (envelope.incarnation, envelope.seq);
        writer.head = Head { incarnation: author, seq, hash: event.hash, hlc: envelope.hlc };
        writer.events.push(event);
        let batch = writer.raw(*handed + 1, seq);
        *handed = seq;
        if poison {
            self.poisoned.insert((author, seq));
            self.note("poison", &seq.to_string());
        } else {
            let signed = i64::try_from(units).unwrap_or(0);
            *self.oracle.foreign.entry((store, item)).or_default() += signed;
            *self.oracle.shelf.entry((store, item)).or_default() += signed;
            self.note("later kind", &seq.to_string());
        }
        self.hub_hears_again(store, &batch);
        self.spread_news();
    }
}

impl Later {
    /// The hash of the last event that was handed in.
    fn hash_handed(&self) -> Option<tradepost_sync::ids::Hash> {
        let at = usize::try_from(self.handed.checked_sub(1)?).ok()?;
        self.writer.events.get(at).map(|event| event.hash)
    }
}

/// The incarnation that the hub writes a store's facts with.
fn own_incarnation(hub: &Hub, store: i64) -> Option<Incarnation> {
    let found = hub.db.read::<_, DbError>(|tx| {
        let Some(store) = stores::by_no(tx, store)? else { return Ok(None) };
        Ok(authors::by_no(tx, store.hub_author)?.map(|author| author.incarnation))
    });
    found.ok().flatten()
}

/// Goods came, and the rights go on to the hub: a later program would burn and cover, this one holds nothing.
fn receipt(sku: Sku, units: u64, hub: Incarnation) -> Effects {
    let cell = |cell: Cell| CellEffect { sku: sku.clone(), cell, units };
    Effects {
        cells: vec![cell(Cell::Minted), cell(Cell::Given(hub))],
        ledger: vec![LedgerEffect {
            sku,
            units: i64::try_from(units).unwrap_or(0),
            kind: MovementKind::Receipt,
        }],
        custody: Vec::new(),
    }
}

/// An event as a later program seals it.
fn sealed(head: Head, kind: u16, cells: Option<Effects>) -> Event {
    let wall = super::world::BEGIN;
    let (seq, hlc) = head.next(wall);
    Event::seal(Envelope {
        format: ENVELOPE_FORMAT,
        incarnation: head.incarnation,
        seq,
        prev_hash: head.hash,
        hlc,
        wall,
        tau: None,
        trading: wall,
        till: None,
        shift: None,
        staff: None,
        kind,
        version: 1,
        cells,
        journal: None,
        reissue: None,
        body: vec![0xfe, 0xdc, 0xba],
    })
    .expect("it is short")
}
