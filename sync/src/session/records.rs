//! Customers' records, apart from events (`model.md` §6): the only personal data there is, so that erasing one breaks no
//! chain.
//!
//! Each side offers what it has changed and what the other doesn't hold yet, one batch at a time, and goes on when that
//! is durable there. How far the other side is stands in the offering side's database, so that a cut needs no resume
//! logic.

use super::{Message, Output, Refusal, Role, Session};
use crate::ids::Id;

/// Records in one batch.
pub const RECORDS_MAX: usize = 100;
/// Bytes of one record's person.
pub const PERSON_BYTES_MAX: usize = 8 << 10;

/// A customer as it travels. Without a person it is erased, which is final.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomerRecord {
    /// The id that documents name.
    pub id: Id,
    /// Grows with every change.
    pub version: u32,
    /// The person as JSON; none once erased.
    pub person: Option<String>,
    /// The price list the customer buys from; empty for the store's own.
    pub price_list: String,
}

impl CustomerRecord {
    /// Whether it takes the place of another state of the same customer. Erased wins and is final, then the version
    /// decides; two different ones of a version are decided alike everywhere.
    #[must_use]
    pub fn replaces(&self, held: &Self) -> bool {
        let rank = |record: &Self| (record.person.is_none(), record.version);
        let text = |record: &Self| (record.person.clone(), record.price_list.clone());
        (rank(self), text(self)) > (rank(held), text(held)) && held.person.is_some()
    }
}

/// Some records, and how far the offering side has come with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// A number of the offering side's own, to be said again once they are durable.
    pub through: u64,
    /// The records.
    pub records: Vec<CustomerRecord>,
}

/// Where offering stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Idle,
    Reading,
    Sent(u64),
}

/// The offering half of a session.
#[derive(Debug)]
pub(super) struct RecordsOut {
    way: Way,
    news: bool,
}

impl Default for RecordsOut {
    fn default() -> Self {
        Self { way: Way::Idle, news: true }
    }
}

impl RecordsOut {
    /// There may be something new.
    pub(super) fn wake(&mut self) {
        self.news = true;
    }
}

impl Session {
    /// Offers what is new, unless something is on its way. Neighbours don't: the hub brings records to all.
    pub(super) fn offer_records(&mut self) {
        let ready = self.met() && self.local.role != Role::Neighbour;
        if ready && self.records.news && self.records.way == Way::Idle {
            self.records = RecordsOut { way: Way::Reading, news: false };
            self.out.push_back(Output::ReadRecords { held: None });
        }
    }

    pub(super) fn records_read(&mut self, read: Option<Records>) {
        if self.records.way != Way::Reading {
            return;
        }
        self.records.way = Way::Idle;
        if let Some(records) = read.filter(|read| !read.records.is_empty()) {
            self.records.way = Way::Sent(records.through);
            self.send(Message::Records(records));
        }
    }

    pub(super) fn hear_records(&mut self, records: Records) {
        let long = |record: &CustomerRecord| {
            record.person.as_ref().is_some_and(|person| person.len() > PERSON_BYTES_MAX)
                || record.price_list.len() > PERSON_BYTES_MAX
        };
        let many = records.records.len() > RECORDS_MAX || records.records.is_empty();
        if self.local.role == Role::Neighbour || many || records.records.iter().any(long) {
            return self.refuse(Refusal::Nonsense);
        }
        self.out.push_back(Output::ApplyRecords(records));
    }

    /// They are durable here, or can't be now.
    pub(super) fn records_applied(&mut self, through: Option<u64>) {
        match through {
            Some(through) => {
                self.progress = self.now;
                self.send(Message::RecordsAck(through));
            }
            None => self.refuse(Refusal::Busy),
        }
    }

    pub(super) fn records_acked(&mut self, through: u64) {
        if self.records.way != Way::Sent(through) {
            return self.refuse(Refusal::Nonsense);
        }
        self.progress = self.now;
        self.records.way = Way::Reading;
        self.out.push_back(Output::ReadRecords { held: Some(through) });
    }
}
