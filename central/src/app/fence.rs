//! Fencing a lost incarnation (`model.md` §3.2): what it held is suspended, what turns up of it later is booked as facts,
//! and nothing of it is released before its wait is over.

use super::barrier;
use super::{Code, Fault, hub_log, stores as app_stores, waits};
use crate::db::Tx;
use crate::db::authors::{self, Author, Role, State};
use crate::db::recoveries;
use crate::db::stores::{self, Store};
use crate::hub::{After, Hub};
use tradepost_sync::body::{Body, Kind, NodeFenced};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::event::Event;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::LEASE_MS_DEFAULT;

/// What a fence says.
#[derive(Clone, Debug, Default)]
pub struct Fencing {
    /// Who owns its carts, shifts and refund rights after the wait (`model.md` §5): a live node, by name or incarnation.
    pub successor: Option<String>,
    /// Who attests that the machine is destroyed, and how: then there is no wait.
    pub attested: Option<String>,
}

/// Fences a node's incarnation. Again it changes nothing, unless the destruction is attested only now.
pub fn fence(hub: &Hub, store: &str, who: &Incarnation, fencing: &Fencing, now: UtcMs) -> Result<(), Fault> {
    hub.write(|tx, after| {
        let no = app_stores::find(tx, store)?.no;
        let store = stores::by_no_locked(tx, no)?.ok_or_else(|| Fault::internal("no such store"))?;
        let lost = authors::find_locked(tx, who)?;
        let lost = lost.filter(|author| author.store == no && author.role == Role::Node);
        let lost = lost.ok_or_else(|| Fault::not_found("node", &who.to_string()))?;
        if lost.state == State::Retired {
            return Err(Fault::refused(Code::NodeRetired, "a node that has retired needs no fence"));
        }
        let successor = match &fencing.successor {
            Some(name) => Some(successor(tx, &lost, name)?),
            // The nodes go by the last fence they hear of: one that tells of the destruction alone still names whom the
            // first one named.
            None => named(tx, no, who)?,
        };
        put_out(tx, after, hub, &store, &lost, (successor, fencing.attested.clone()), now)
    })
}

fn successor(tx: &mut Tx<'_>, lost: &Author, name: &str) -> Result<Incarnation, Fault> {
    let all = authors::of_store(tx, lost.store)?;
    let live = all.into_iter().filter(|a| a.role == Role::Node && a.state == State::Live && a.no != lost.no);
    let found = live.into_iter().rfind(|a| a.name == name || a.incarnation.to_string() == name);
    found.map(|author| author.incarnation).ok_or_else(|| {
        Fault::field("/successor", Code::UnknownNode, format!("the store has no other live node {name}"))
    })
}

/// Whom the fences of a lost incarnation name as its successor; the last name counts.
pub fn named(tx: &mut Tx<'_>, store: i64, lost: &Incarnation) -> Result<Option<Incarnation>, Fault> {
    let mut named = None;
    for bytes in recoveries::events_of_kinds(tx, store, [Kind::NodeFenced.number(); 3])? {
        if let Some(Body::NodeFenced(fenced)) = Event::read(&bytes).ok().and_then(|event| event.body().ok())
            && fenced.incarnation == *lost
        {
            named = fenced.successor.or(named);
        }
    }
    Ok(named)
}

/// The same within a transaction that holds the store's row: (successor, attested).
pub fn put_out(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    lost: &Author,
    (successor, attested): (Option<Incarnation>, Option<String>),
    now: UtcMs,
) -> Result<(), Fault> {
    let at = super::tau(tx, now)?;
    let (known, attests) = (lost.state == State::Fenced, attested.is_some());
    let waits = waits::of_store(tx, store.no)?;
    if known && (!attests || matches!(waits.check(lost.incarnation, at), Ok(Some(_)))) {
        return Ok(());
    }
    let who = lost.incarnation;
    waits::change(tx, store.no, at, |waits| {
        if waits.of(&who).is_none() {
            // It was a member and nobody knows when it last heard from a hub: the longest it may sell on.
            waits.renewed(who, LEASE_MS_DEFAULT, at);
        }
        if attests {
            waits.attest(who, at);
        }
    })?;
    let mut facts = vec![Body::from(NodeFenced { incarnation: who, successor, attested })];
    if !known {
        if lost.state != State::Quarantined {
            authors::set_state(tx, lost.no, State::Fenced)?;
        }
        facts.push(hub_log::roster(tx, store)?);
        facts.extend(barrier::member_fenced(tx, store, &who, now)?);
    }
    hub_log::append(tx, after, hub, store, &facts, now)
}
