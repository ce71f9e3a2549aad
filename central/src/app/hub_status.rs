//! How far a hub whose database was put back is with its recovery: per store what was lost, who has to be heard, and what
//! to do next, in sentences that can be read at three in the morning.

use super::{Fault, barrier, waits};
use crate::db::authors::{self, Role, State};
use crate::db::recoveries::{self, Recovery};
use crate::db::stores::{self, Store};
use crate::db::{Tx, recovery as rows};
use crate::hub::Hub;
use std::collections::BTreeSet;
use tradepost_sync::barrier::Barrier;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::fence::WaitRefusal;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::recovery::{Recovering, Sign};

/// The hub's recovery.
#[derive(Clone, Debug)]
pub struct Status {
    /// Some store still recovers.
    pub recovering: bool,
    /// Hub time's epoch: another after every restore.
    pub epoch: u32,
    /// Stores whose hub was ever put back, with their last recovery.
    pub stores: Vec<OfStore>,
}

/// A store's last recovery.
#[derive(Clone, Debug)]
pub struct OfStore {
    /// The store's code.
    pub store: String,
    /// The `H_s` of before.
    pub old: Incarnation,
    /// The one that goes on.
    pub own: Incarnation,
    /// When it began.
    pub begun_at: UtcMs,
    /// When it was over.
    pub ended_at: Option<UtcMs>,
    /// How it showed.
    pub signs: Vec<String>,
    /// Every process's journal was read to its end.
    pub journal_whole: bool,
    /// Who attested that nobody unheard can still sell.
    pub attested: Option<String>,
    /// Of the old `H_s`'s log: held here, and the furthest that a node said to hold.
    pub old_log: (u64, u64),
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// `asking`, `proposed`, `levelling`, where the barrier that ends it is open.
    pub barrier: Option<&'static str>,
    /// What it waits for and what to do about it.
    pub next: Vec<String>,
}

/// A node that has to be heard.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The name people know it by.
    pub name: String,
    /// `live`, `fenced`, `retired` or `quarantined`.
    pub state: &'static str,
    /// It has said hello since the recovery began.
    pub heard: bool,
    /// It is in session with this process.
    pub in_session: bool,
    /// When no lease of the forgotten time can run any more, if the hub runs without a break; none where that is over.
    pub lease_until: Option<UtcMs>,
}

/// How far the hub's recovery is.
pub fn read(hub: &Hub, now: UtcMs) -> Result<Status, Fault> {
    let present = hub.present.all();
    hub.db.read(|tx| {
        let mut shown = Vec::new();
        for row in recoveries::last_of_all(tx)? {
            if let Some(store) = stores::by_no(tx, row.store)? {
                shown.push(of_store(tx, &store, &row, &present, now)?);
            }
        }
        let recovering = shown.iter().any(|store| store.ended_at.is_none());
        Ok(Status { recovering, epoch: super::epoch(tx)?, stores: shown })
    })
}

fn of_store(
    tx: &mut Tx<'_>,
    store: &Store,
    row: &Recovery,
    present: &BTreeSet<Incarnation>,
    now: UtcMs,
) -> Result<OfStore, Fault> {
    let recovering: Recovering = serde_json::from_str(&row.body).map_err(Fault::internal)?;
    let members = authors::of_store(tx, store.no)?;
    let of = |no: i64| members.iter().find(|author| author.no == no);
    let old = of(row.old_author).ok_or_else(|| Fault::internal("no old H_s"))?;
    let own = of(store.hub_author).ok_or_else(|| Fault::internal("the store has no H_s"))?;
    let (at, waits) = (super::tau(tx, now)?, waits::of_store(tx, store.no)?);
    let node = |author: &authors::Author| Node {
        incarnation: author.incarnation,
        name: author.name.clone(),
        state: match author.state {
            State::Live => "live",
            State::Fenced => "fenced",
            State::Retired => "retired",
            State::Quarantined => "quarantined",
        },
        heard: author.last_contact.is_some_and(|heard| heard >= row.begun_at),
        in_session: present.contains(&author.incarnation),
        lease_until: match waits.check(author.incarnation, at) {
            Err(WaitRefusal::LeaseNotExpired { until, .. } | WaitRefusal::WaitNotOver { until, .. }) => {
                Some(until.ms)
            }
            Ok(_) => None,
        },
    };
    let nodes: Vec<Node> = members.iter().filter(|author| author.role == Role::Node).map(node).collect();
    let held = old.head.seq;
    let needed = recovering.best.map_or(held, |(_, best)| best.seq.max(held));
    let open = match rows::open(tx, store.no)?.filter(|_| row.ended_at.is_none()) {
        Some(_) => barrier::current(tx, store.no)?,
        None => None,
    };
    let mut shown = OfStore {
        store: store.code.clone(),
        old: old.incarnation,
        own: own.incarnation,
        begun_at: row.begun_at,
        ended_at: row.ended_at,
        signs: recovering.signs.iter().map(sign).collect(),
        journal_whole: row.whole,
        attested: row.attested.clone(),
        old_log: (held, needed),
        nodes,
        barrier: open.as_ref().map(state_of),
        next: Vec::new(),
    };
    shown.next = next(&shown);
    Ok(shown)
}

fn state_of(barrier: &Barrier) -> &'static str {
    let standing = barrier::standing(barrier);
    match (standing.proposed, standing.unacked.is_empty()) {
        (false, _) => "asking",
        (true, false) => "proposed",
        (true, true) => "levelling",
    }
}

fn sign(sign: &Sign) -> String {
    match sign {
        Sign::JournalAhead { process, journal, database } => format!(
            "the journal of process {process} ends at {journal}, the database at {database}: the database is older"
        ),
        Sign::JournalMissing { process } => {
            format!("the journal of process {process} is missing or can't be read to its end")
        }
        Sign::OtherDatabase => {
            "the database was put back from a backup, or is another one than before".to_owned()
        }
        Sign::NodeKnowsMore { who, theirs, ours } => {
            format!(
                "node {who} holds {theirs} events of this hub's log, or another one there; the database ends at {ours}"
            )
        }
        Sign::NodeKnowsCatalog { who, theirs, ours } => {
            format!(
                "node {who} holds version {} of the catalog, and the database ends at {}: it is older",
                theirs.1, ours.1
            )
        }
    }
}

/// What it waits for, and what a person can do about it.
fn next(store: &OfStore) -> Vec<String> {
    if store.ended_at.is_some() {
        return vec!["Nothing: it is over.".to_owned()];
    }
    let mut next = Vec::new();
    for node in store.nodes.iter().filter(|node| node.state == "live" && !node.in_session) {
        next.push(format!(
            "Node {} ({}) is not in session: start it or mend its link. If it will not come back, fence it with POST \
             /v1/stores/{}/nodes/{}/fence.",
            node.name, node.incarnation, store.store, node.incarnation
        ));
    }
    let (held, needed) = store.old_log;
    if held < needed {
        next.push(format!("Of the hub's log of before, {needed} events are held by a node and {held} here: they come with its session."));
    }
    let leases = store.nodes.iter().filter_map(|node| node.lease_until).max();
    if !store.journal_whole && store.attested.is_none() && leases.is_some() {
        next.push(
            "Without a whole journal nobody knows who else was enrolled: it waits until the last lease of the forgotten \
             time is out. If no node was enrolled after the backup, say so with POST /v1/hub/recovery/attestation."
                .to_owned(),
        );
    }
    if next.is_empty() {
        next.push("Nothing: it ends by itself within seconds.".to_owned());
    }
    next
}
