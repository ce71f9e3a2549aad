//! What the store's nodes share over the LAN apart from events: carts, hub time, the catalog as the hub sealed it,
//! custody that is asked for, and what each holds when one counts.

use super::{Done, Pump};
use crate::app::problem::Stop;
use crate::app::{catalog, count, hand_over, shared_cart};
use crate::peers::Ask;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::clock::Tau;
use tradepost_sync::session::{Acquire, Carts, CustodyAsk, Input, Role};

impl Pump<'_> {
    /// Somebody here asks the other side.
    pub(super) fn pass_on(&mut self, ask: Ask) -> Input {
        let number = self.next_ask;
        self.next_ask += 1;
        // Nobody waits for these any longer.
        self.asked.retain(|_, reply| !reply.is_closed());
        self.cuts_asked.retain(|_, reply| !reply.is_closed());
        match ask {
            Ask::Rights { sku, at_least, reply } => {
                self.asked.insert(number, reply);
                Input::Acquire(Acquire { ask: number, sku, at_least })
            }
            Ask::Custody { object, reply } => {
                self.asked.insert(number, reply);
                Input::AskCustody(CustodyAsk { ask: number, object })
            }
            Ask::Cut { reply } => {
                self.cuts_asked.insert(number, reply);
                Input::AskCut(number)
            }
        }
    }

    pub(super) fn read_carts(&self, after: u64) {
        let (reads, disk) = (self.context.reads.clone(), self.disk.clone());
        tokio::task::spawn_blocking(move || {
            let read = reads.with::<_, Stop>(|conn| Ok(shared_cart::offer(conn, after)?));
            let _ = disk.send(match read {
                Ok(carts) => Done::Input(Box::new(Input::CartsRead(carts))),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    pub(super) fn apply_carts(&self, carts: Carts) {
        self.write(move |node, now| Ok(Input::CartsApplied(shared_cart::take(node, now, &carts)?)));
    }

    /// Entries as the hub sealed them, for a neighbour that doesn't hear them from the hub.
    pub(super) fn read_catalog(&self, after: CatalogVersion, max: usize) {
        let (reads, disk) = (self.context.reads.clone(), self.disk.clone());
        tokio::task::spawn_blocking(move || {
            let read = reads.with::<_, Stop>(|conn| Ok(catalog::sealed_after(conn, after, max)?));
            let _ = disk.send(match read {
                Ok(entries) => Done::Input(Box::new(Input::CatalogRead(entries))),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    /// What a neighbour asks for is handed over in a group of its own commit, and answered once that is durable.
    pub(super) fn hand_over(&self, wanted: CustodyAsk) {
        let Some(to) = self.peer else { return };
        self.write(move |node, now| {
            let head = hand_over::hand_over(node, now, &to, &wanted.object)?;
            Ok(Input::Given { ask: wanted.ask, head })
        });
    }

    /// Rights that have no goods are burnt as far as this node sees that; the answer is an event of its own stream.
    pub(super) fn burn(&self, asked: BurnAsk) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            if let Err(stop) = writer.ask(move |node, now| count::burn(node, now, &asked)).await {
                let _ = disk.send(Done::Broken(stop));
            }
        });
    }

    /// The writer says what is held: everything that was answered before is in it.
    pub(super) fn read_cut(&self, ask: u64) {
        self.write(move |node, _| Ok(Input::CutRead { ask, heads: count::held(node)? }));
    }

    /// A neighbour's word about hub time counts where nothing fresher is known here.
    pub(super) fn hear_time(&self, tau: Tau) {
        if self.role == Role::Neighbour && !self.context.is_fresher(tau) {
            return;
        }
        let context = self.context.clone();
        tokio::spawn(async move { context.hear_time(tau).await });
    }

    /// What is known of hub time here, for a neighbour.
    pub(super) fn known_time(&self) -> Option<Tau> {
        if self.role == Role::Neighbour { self.context.hub_time() } else { None }
    }
}
