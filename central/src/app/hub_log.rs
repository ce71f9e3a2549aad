//! The hub's own stream for a store, `H_s` (`model.md` §1): rows under locks, its seq taken in the transaction that
//! makes the fact, each event with its place in this process's journal.

use super::books::{self, Names};
use super::{Fault, counts, custody, lend, objects};
use crate::db::authors::{Author, NewAuthor, Role};
use crate::db::booking::{self, Booking};
use crate::db::stores::Store;
use crate::db::{Tx, authors, enrolments, outbox, stores};
use crate::hub::{After, Hub};
use tradepost_sync::body::{Body, RosterChanged, RosterEntry};
use tradepost_sync::clock::{Tau, UtcMs};
use tradepost_sync::effects;
use tradepost_sync::event::{JournalMark, Stamp};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;

/// Makes a store's `H_s`; its author number.
pub fn begin(
    tx: &mut Tx<'_>,
    hub: &Hub,
    store: i64,
    incarnation: Incarnation,
    now: UtcMs,
) -> Result<i64, Fault> {
    let program = crate::config::program();
    let new = NewAuthor {
        incarnation,
        store,
        role: Role::Hub,
        device_key: hub.device.public(),
        name: "hub",
        program: &program,
        successor: None,
    };
    let author = authors::insert(tx, &new, now)?;
    stores::set_hub_author(tx, store, author)?;
    Ok(author)
}

/// Appends facts to a store's `H_s`, with their effects, and signs its head.
pub fn append(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    facts: &[Body],
    now: UtcMs,
) -> Result<(), Fault> {
    let author = own(tx, store)?;
    let names = Names::new(enrolments::aliases(tx, store.no)?);
    let mut head = author.head;
    let mut booking = Booking::new(author.no, store.no, author.head);
    let judged = counts::judging_facts(tx, store.no, facts, &names)?;
    let process = hub.journal.process();
    let at = super::tau(tx, now)?;
    for fact in facts {
        let n = stores::next_journal_n(tx, process)?;
        let stamp = stamp(at);
        let event =
            head.append_with(stamp, fact, Some(JournalMark { process, n }), None).map_err(Fault::internal)?;
        stores::mark_journal(tx, process, n, author.no, event.envelope.seq)?;
        books::log(&mut booking, &event);
        let told = effects::of(&event.envelope, fact).map_err(Fault::internal)?;
        books::effects(&mut booking, &event.envelope, &told, &names, &judged.counts);
    }
    booking.outbox = (store.stream, outbox::take(tx, store.stream, facts.len())?);
    let mark = HeadMark { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
    booking.signature = Some(hub.device.sign_head(&mark));
    let mut stock = booking::save(tx, &booking)?;
    lend::follow(tx, store, &booking)?;
    custody::take(tx, &booking, now)?;
    let folded = counts::follow(tx, &booking, &judged, &[], &names, now)?;
    stock.retain(|row| !folded.iter().any(|other| other.sku == row.sku));
    stock.extend(folded);
    objects::note(tx, store.no, &names, facts, booking.stock.keys().cloned().collect(), now)?;
    after.stock.push((store.code.clone(), stock));
    after.journal = true;
    after.poke = true;
    Ok(())
}

fn own(tx: &mut Tx<'_>, store: &Store) -> Result<Author, Fault> {
    let author =
        authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))?;
    authors::find_locked(tx, &author.incarnation)?.ok_or_else(|| Fault::internal("the store has no H_s"))
}

fn stamp(at: Tau) -> Stamp {
    Stamp { wall: at.ms, tau: Some(at), trading: at.ms, till: None, shift: None, staff: None }
}

/// The store's whole roster as it stands now, as a fact.
pub fn roster(tx: &mut Tx<'_>, store: &Store) -> Result<Body, Fault> {
    let version = stores::next_roster(tx, store.no)?;
    let members = members(tx, store)?;
    Ok(RosterChanged { version, members }.into())
}

/// The store's members as they stand now, by incarnation.
pub fn members(tx: &mut Tx<'_>, store: &Store) -> Result<Vec<RosterEntry>, Fault> {
    let mut members: Vec<RosterEntry> = authors::of_store(tx, store.no)?.iter().map(member).collect();
    members.sort_by_key(|member| member.incarnation);
    Ok(members)
}

fn member(author: &Author) -> RosterEntry {
    use crate::db::authors::State;
    RosterEntry {
        incarnation: author.incarnation,
        device_key: author.device_key,
        name: author.name.clone(),
        // A node that has retired writes no rights any more; a lone log never did here, and isn't said to be fenced.
        fenced: matches!(author.state, State::Fenced | State::Quarantined)
            || (author.state == State::Retired && author.role != Role::Lone),
        retired: author.state == State::Retired || author.role == Role::Lone,
    }
}
