//! Rights that a shrink left without goods and that the counting node could not burn (`model.md` §2, burn; G50 of §8): the
//! hub burns its own, then asks one holder at a time, the largest first. A request has an id and is done once; a holder
//! burns no more than it sees to be missing itself, and answers also where that is nothing.

use super::{Fault, counts as app_counts, recovering, resolve, stock as app_stock};
use crate::db::authors;
use crate::db::burns::{self, Asked};
use crate::db::stores::{self, Store};
use crate::db::{Tx, counts, recovery, stock};
use crate::hub::Hub;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;
use tradepost_sync::burn::{BurnAsk, next_ask};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::rights::Picture;

/// A holder that is not in session is not waited for any longer than this, in milliseconds.
const ABSENT_MS_MAX: i64 = 60_000;
/// A holder that could burn less than it was asked, as carts hold the rest or its view is older, is asked again after this,
/// and after twice as long each time, unless the item was counted again.
const ASK_AGAIN_MS: i64 = 5_000;
/// But no later than this.
const ASK_AGAIN_MS_MAX: i64 = 600_000;
/// Requests sent to a holder at a time.
const ASKS_MAX: usize = 64;
/// Stock rows read at a time.
const PAGE: usize = 500;

/// Burns and asks wherever a counted item has rights without goods; how many requests were made.
pub fn advance(hub: &Hub, id: impl Fn() -> Result<Id, Fault>, now: UtcMs) -> Result<u64, Fault> {
    let present = hub.present.all();
    let mut asked = 0;
    for no in hub.db.read(|tx| Ok::<_, Fault>(recovery::counted_stores(tx)?))? {
        let Some((store, skus)) = hub.db.read(|tx| due(tx, no))? else { continue };
        for sku in skus {
            let item = app_stock::get(hub, &store.code, &sku)?;
            if beyond(&item.picture) && item.hub_rights > 0 {
                app_counts::burn_own(hub, &store.code, &sku, now)?;
            }
            let id = id()?;
            if hub.db.read(|tx| next(tx, &store, &sku, (id, &present), now))?.is_none() {
                continue;
            }
            asked += u64::from(hub.write(|tx, after| {
                let Some(step) = next(tx, &store, &sku, (id, &present), now)? else { return Ok(false) };
                let made = take(tx, step, now)?;
                after.poke |= made;
                Ok(made)
            })?);
        }
    }
    Ok(asked)
}

/// Items of a store for which anything is to burn, and those that somebody was asked about.
fn due(tx: &mut Tx<'_>, no: i64) -> Result<Option<(Store, BTreeSet<String>)>, Fault> {
    let Some(store) = stores::by_no(tx, no)? else { return Ok(None) };
    if recovering::is(tx, no)? {
        return Ok(None);
    }
    let counted = counts::between(tx, no, "", resolve::LAST)?;
    let mut skus: BTreeSet<String> = burns::open_of(tx, no)?.into_iter().map(|ask| ask.sku).collect();
    let mut last = String::new();
    loop {
        let rows = stock::on_hand(tx, Some(no), (no, &last), PAGE)?;
        let Some(end) = rows.last() else { return Ok(Some((store, skus))) };
        last.clone_from(&end.sku);
        let rows: Vec<_> = rows.into_iter().filter(|row| counted.contains_key(&row.sku)).collect();
        let short = app_stock::pictures(tx, no, &rows)?.into_iter().filter(|(_, picture)| beyond(picture));
        skus.extend(short.map(|(sku, _)| sku));
    }
}

/// Whether rights without goods go beyond those that nobody can sell anyway.
fn beyond(picture: &Picture) -> bool {
    picture.shrink() > picture.suspended.max(0)
}

/// What is to be done about an item.
struct Step {
    withdraw: Option<Id>,
    ask: Option<Asked>,
}

/// Takes a step; whether somebody is asked by it.
fn take(tx: &mut Tx<'_>, step: Step, now: UtcMs) -> Result<bool, Fault> {
    if let Some(id) = step.withdraw {
        burns::withdraw(tx, id, now)?;
    }
    Ok(match step.ask {
        Some(asked) => burns::ask(tx, &asked)?,
        None => false,
    })
}

/// The next step about an item: none while somebody is asked and waited for, or nobody can be asked.
fn next(
    tx: &mut Tx<'_>,
    store: &Store,
    sku: &str,
    (id, present): (Id, &BTreeSet<Incarnation>),
    now: UtcMs,
) -> Result<Option<Step>, Fault> {
    if recovering::is(tx, store.no)? {
        return Ok(None);
    }
    let Some(row) = stock::one(tx, store.no, sku)? else { return Ok(None) };
    let picture = app_stock::picture(tx, store.no, &row)?;
    let mut withdraw = None;
    if let Some(open) = burns::open(tx, store.no, sku)? {
        let holder = authors::by_no(tx, open.holder)?;
        if beyond(&picture) && holder.is_some_and(|holder| waited_for(&open, &holder, present, now)) {
            return Ok(None);
        }
        withdraw = Some(open.id);
    }
    let ask = whom(tx, store, sku, (id, present, &picture), now)?;
    Ok((withdraw.is_some() || ask.is_some()).then_some(Step { withdraw, ask }))
}

/// A request to the next holder, if there is one who can be asked.
fn whom(
    tx: &mut Tx<'_>,
    store: &Store,
    sku: &str,
    (id, present, picture): (Id, &BTreeSet<Incarnation>, &Picture),
    now: UtcMs,
) -> Result<Option<Asked>, Fault> {
    let Some(count) = counts::latest(tx, store.no, sku)? else { return Ok(None) };
    let count = (count.author, count.seq);
    let left_out = rests(tx, store.no, sku, count, now)?;
    let rights = stock::rights(tx, store.no, sku, sku)?.remove(sku).unwrap_or_default();
    let terms = resolve::terms(tx, store, None)?;
    let skip = |who: &Incarnation| !present.contains(who) || left_out.contains(who);
    let Some(next) = next_ask(id, &Sku(sku.to_owned()), &rights, &terms, picture, skip) else {
        return Ok(None);
    };
    let Some(holder) = authors::find(tx, &next.holder)? else { return Ok(None) };
    Ok(Some(Asked {
        id,
        store: store.no,
        sku: sku.to_owned(),
        holder: holder.no,
        units: next.units,
        count,
        state: "open".to_owned(),
        burnt: None,
        asked_at: now,
        ended_at: None,
    }))
}

/// Holders that could not burn all they were asked since the item was counted, and are not asked again yet.
fn rests(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    count: (i64, u64),
    now: UtcMs,
) -> Result<BTreeSet<Incarnation>, Fault> {
    let mut until: BTreeMap<i64, (u32, UtcMs)> = BTreeMap::new();
    for before in burns::answered(tx, store, sku, count)? {
        if before.burnt.is_some_and(|burnt| burnt < before.units) {
            let (times, at) = until.entry(before.holder).or_default();
            (*times, *at) = (*times + 1, before.ended_at.unwrap_or(now));
        }
    }
    let mut rests = BTreeSet::new();
    for (holder, (times, at)) in until {
        let rest = (ASK_AGAIN_MS << (times - 1).min(16)).min(ASK_AGAIN_MS_MAX);
        if now.saturating_sub(at) < rest {
            rests.extend(authors::by_no(tx, holder)?.map(|author| author.incarnation));
        }
    }
    Ok(rests)
}

fn waited_for(open: &Asked, holder: &authors::Author, present: &BTreeSet<Incarnation>, now: UtcMs) -> bool {
    let in_time = now.saturating_sub(open.asked_at) < ABSENT_MS_MAX;
    holder.state == authors::State::Live && (in_time || present.contains(&holder.incarnation))
}

/// What a node is asked to burn and has not answered, in the order of asking.
pub fn asks_for(hub: &Hub, who: &Incarnation) -> Result<Vec<BurnAsk>, Fault> {
    hub.db.read(|tx| {
        let Some(holder) = authors::find(tx, who)?.filter(|holder| holder.state == authors::State::Live)
        else {
            return Ok(Vec::new());
        };
        let ask =
            |asked: Asked| BurnAsk { id: asked.id, holder: *who, sku: Sku(asked.sku), units: asked.units };
        Ok(burns::owed(tx, holder.no, ASKS_MAX)?.into_iter().map(ask).collect())
    })
}
