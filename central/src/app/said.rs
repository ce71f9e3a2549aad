//! Facts said again after their branch was cut off: each counts once per original hash, whoever says it and however often
//! (`model.md` §3, Forks).

use super::Fault;
use super::books::Names;
use crate::db::authors::{self, Author};
use crate::db::{Tx, events, said};
use tradepost_sync::effects::{self, Cell};
use tradepost_sync::event::Event;

/// What an event counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// All it says.
    Fully,
    /// It is logged, and nothing more: the same fact is booked already.
    Not,
    /// The fact is booked already, under a later saying: its overdraw is this author's from now on.
    Instead(said::Saying),
}

/// Judges an event of a store; a fact that is said again is noted. `any` tells whether the store has such facts at all.
pub fn judge(tx: &mut Tx<'_>, author: &Author, event: &Event, any: bool) -> Result<Counts, Fault> {
    let store = author.store;
    let Some(first) = &event.envelope.reissue else {
        let said = any && said::first(tx, store, event.hash)?.is_some();
        return Ok(if said { Counts::Not } else { Counts::Fully });
    };
    let by = (author.incarnation, event.envelope.seq);
    let before = said::first(tx, store, first.hash)?;
    said::add(tx, store, first.hash, by)?;
    let stands = match authors::find(tx, &first.incarnation)? {
        Some(original) => events::hash_at(tx, original.no, first.seq)? == Some(first.hash),
        None => false,
    };
    Ok(match before {
        _ if stands => Counts::Not,
        None => Counts::Fully,
        Some(before) if by < before => Counts::Instead(before),
        Some(_) => Counts::Not,
    })
}

/// Whether an event that is logged counts: it is no saying that another one, or the original, stands for.
pub fn stands(tx: &mut Tx<'_>, author: &Author, event: &Event) -> Result<bool, Fault> {
    let Some(original) = &event.envelope.reissue else {
        return Ok(said::first(tx, author.store, event.hash)?.is_none());
    };
    if let Some(known) = authors::find(tx, &original.incarnation)?
        && events::hash_at(tx, known.no, original.seq)? == Some(original.hash)
    {
        return Ok(false);
    }
    let by = (author.incarnation, event.envelope.seq);
    Ok(said::first(tx, author.store, original.hash)?.is_none_or(|first| first == by))
}

/// Takes the overdraw of a saying that counts no longer off its author's row.
pub fn take_off(tx: &mut Tx<'_>, store: i64, saying: said::Saying, names: &Names) -> Result<(), Fault> {
    let Some(author) = authors::find(tx, &saying.0)? else { return Ok(()) };
    let Some(stored) = events::from(tx, author.no, saying.1, 1)?.pop() else { return Ok(()) };
    let event = Event::read(&stored.bytes).ok();
    let told = event.and_then(|event| effects::of(&event.envelope, &event.body().ok()?).ok());
    for effect in told.unwrap_or_default().cells {
        if effect.cell == Cell::Overdrawn {
            said::take_off_overdraw(tx, store, &names.booked(&effect.sku), author.no, effect.units)?;
        }
    }
    Ok(())
}
