//! What the nodes of a store share over the LAN apart from events (`model.md` §5, §6): carts, hub time, the hub's
//! catalog, custody that is asked for, and what each holds when one of them counts.
//!
//! Carts travel as customers' records do: one batch at a time, the next when that is durable at the other side. How far
//! the other side is dies with the session, so each begins with everything that is open.

use super::{Carts, CustodyAsk, Message, Output, Refusal, Role, Session};
use crate::cart::CART_BYTES_MAX;
use crate::clock::Tau;
use crate::frontier::HeadMark;
use crate::limits::{ASKS_MAX, CARTS_MAX, FRONTIER_HEADS_MAX};
use tradepost_commerce::document::CatalogVersion;

/// Where offering carts stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Idle,
    Reading,
    Sent,
}

/// The offering half.
#[derive(Debug)]
pub(super) struct CartsOut {
    way: Way,
    news: bool,
    /// Changes up to this number of the own side's are known to the other.
    through: u64,
}

impl Default for CartsOut {
    fn default() -> Self {
        Self { way: Way::Idle, news: true, through: 0 }
    }
}

impl CartsOut {
    /// There may be something new.
    pub(super) fn wake(&mut self) {
        self.news = true;
    }
}

impl Session {
    /// Neighbours offer what has changed of carts, unless some are on their way.
    pub(super) fn offer_carts(&mut self) {
        let ready = self.met() && self.local.role == Role::Neighbour;
        if ready && self.carts.news && self.carts.way == Way::Idle {
            (self.carts.way, self.carts.news) = (Way::Reading, false);
            self.out.push_back(Output::ReadCarts { after: self.carts.through });
        }
    }

    pub(super) fn carts_read(&mut self, read: Option<Carts>) {
        if self.carts.way != Way::Reading {
            return;
        }
        self.carts.way = Way::Idle;
        if let Some(carts) = read.filter(|read| !read.carts.is_empty()) {
            (self.carts.way, self.carts.through) = (Way::Sent, carts.through);
            self.send(Message::Carts(carts));
        }
    }

    pub(super) fn hear_carts(&mut self, carts: Carts) {
        let long = carts.carts.iter().any(|cart| cart.len() > CART_BYTES_MAX);
        if long || carts.carts.is_empty() || carts.carts.len() > CARTS_MAX {
            return self.refuse(Refusal::Nonsense);
        }
        self.out.push_back(Output::ApplyCarts(carts));
    }

    /// They are durable here.
    pub(super) fn carts_applied(&mut self, through: u64) {
        self.progress = self.now;
        self.send(Message::CartsAck(through));
    }

    pub(super) fn carts_acked(&mut self, through: u64) {
        if self.carts.way != Way::Sent || self.carts.through != through {
            return self.refuse(Refusal::Nonsense);
        }
        self.progress = self.now;
        (self.carts.way, self.carts.news) = (Way::Idle, true);
    }

    /// Custody is wanted of the other side. Without anybody to ask the answer is no.
    pub(super) fn ask_custody(&mut self, wanted: CustodyAsk) {
        if !self.may_ask() {
            return self.out.push_back(Output::Acquired { ask: wanted.ask, through: 0 });
        }
        self.asks.0.insert(wanted.ask);
        self.send(Message::CustodyAsk(wanted));
    }

    /// The other side wants custody of something.
    pub(super) fn asked_custody(&mut self, wanted: CustodyAsk) {
        if self.takes_ask(wanted.ask) {
            self.out.push_back(Output::HandOver(wanted));
        }
    }

    /// Whoever counts here wants to know what the other side holds now.
    pub(super) fn ask_cut(&mut self, ask: u64) {
        if !self.may_ask() {
            return self.out.push_back(Output::Cut { ask, heads: Vec::new() });
        }
        self.asks.0.insert(ask);
        self.send(Message::CutAsk(ask));
    }

    /// Whoever counts at the other side wants to know what is held here now.
    pub(super) fn asked_cut(&mut self, ask: u64) {
        if self.takes_ask(ask) {
            self.out.push_back(Output::ReadCut(ask));
        }
    }

    /// That is held here.
    pub(super) fn cut_read(&mut self, ask: u64, heads: Vec<HeadMark>) {
        if self.asks.1.remove(&ask) {
            self.send(Message::Cut { ask, heads });
        }
    }

    /// That is held at the other side; an answer that nobody waits for says nothing.
    pub(super) fn cut_heard(&mut self, ask: u64, heads: Vec<HeadMark>) {
        if heads.len() > FRONTIER_HEADS_MAX {
            return self.refuse(Refusal::Nonsense);
        }
        if self.asks.0.remove(&ask) {
            self.out.push_back(Output::Cut { ask, heads });
        }
    }

    fn may_ask(&self) -> bool {
        self.met() && self.local.role == Role::Neighbour && self.asks.0.len() < ASKS_MAX
    }

    fn takes_ask(&mut self, ask: u64) -> bool {
        let takes = self.asks.1.len() < ASKS_MAX && self.asks.1.insert(ask);
        if !takes {
            self.refuse(Refusal::Nonsense);
        }
        takes
    }

    /// Hub time as a neighbour knows it: its pump judges whether that is fresher than what is known here.
    pub(super) fn neighbours_time(&mut self, tau: Option<Tau>) {
        if let (Role::Neighbour, Some(tau)) = (self.local.role, tau) {
            self.out.push_back(Output::HubTime(tau));
        }
    }

    /// A neighbour is told how much of the catalog is held here, so that it needn't send it.
    pub(super) fn tell_catalog(&mut self) {
        if self.met() && self.local.role == Role::Neighbour {
            self.send(Message::CatalogAck(self.local.catalog));
        }
    }

    /// A neighbour holds so much of the catalog: what was sent, or what came to it by another way.
    pub(super) fn neighbour_holds_catalog(&mut self, at: CatalogVersion) {
        if self.catalog.holds(self.now, at) {
            self.progress = self.now;
        }
    }
}
