//! What must be true once everything is healed (`model.md` §7), judged from the logs as they lie in the files, from
//! what the programs answer, and from the oracle's books.

use super::books::{Books, Log, books_of, caps_of, chains, judge_numbers, log_of_hub, surplus, taken_in};
use super::cart_check::judge_checkout;
use super::oracle::{Deed, Kind, Oracle, State, Verdict};
use super::world::{Job, World};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_central::app::{
    barrier, batches, catalog, recovering, reserve, review, state_hash, stock, totals,
};
use tradepost_central::db::orders::Days;
use tradepost_central::db::{DbError, authors, counts, stock as hub_stock};
use tradepost_node::app::problem::Stop;
use tradepost_node::app::{state_hash as node_hash, status, totals as node_totals};
use tradepost_node::db::{incarnations, reservations, stock as node_stock};
use tradepost_sync::body::Day;
use tradepost_sync::frontier::Frontier;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::rights::Rights;

/// What an unsafe world may well leave for people to look at.
const FINDINGS: [&str; 7] = [
    "catalog_forgotten",
    "quarantined",
    "grant_withheld",
    "recount",
    "promise_exposed",
    "barrier_waits",
    "handed_over_late",
];

/// And where there are two machines of one image.
const OF_TWINS: [&str; 4] = ["fork", "two_machines", "receipt_twice", "duplicate_sale_id"];
/// A healed, non-empty queue moves within this time (I15).
const MOVES_MS_MAX: i64 = 11_000;

/// A queue that must move: at a machine, of a stream, that the hub held so far.
pub(super) struct Waiting {
    machine: usize,
    stream: Incarnation,
    held: u64,
    /// Nothing has been in its way since then.
    since: i64,
}

impl World {
    /// Queues that a healed world must move.
    pub(super) fn waiting_queues(&mut self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for (index, machine) in self.machines.iter().enumerate() {
            let Some(running) = &machine.running else { continue };
            let mark = running.node.mark();
            let held = self.hub.head_of(self.stores[machine.store].1, &mark.incarnation);
            if held < mark.seq {
                waiting.push(Waiting { machine: index, stream: mark.incarnation, held, since: self.now });
            }
        }
        waiting
    }

    /// I15: a healed, non-empty queue moves in time. A log that a barrier holds where it is waits for it by right; whether
    /// the barrier comes to an end is seen by whether everybody agrees.
    pub(super) fn judge_queues(&mut self, waiting: &mut Vec<Waiting>) {
        for mut it in std::mem::take(waiting) {
            let (store, stream) = (self.stores[self.machines[it.machine].store].1, it.stream);
            if self.hub.head_of(store, &stream) > it.held {
                continue;
            }
            let open = self.with_hub(|hub| hub.db.read(|tx| barrier::current(tx, store)));
            if open.ok().flatten().is_some_and(|open| open.frozen.contains(&stream)) {
                it.since = self.now;
            }
            // Whom a person must enrol anew waits until the hub has come to itself.
            if self.member(it.machine).is_none() && self.hub.restored && self.recovers() {
                it.since = self.now;
            }
            if self.now > it.since + MOVES_MS_MAX {
                let name = &self.machines[it.machine].name;
                let why = format!("the queue of {name} has not moved: {} of {stream}", it.held);
                self.oracle.blame(why);
            }
            waiting.push(it);
        }
    }

    /// Whether every replica holds the same, and nobody waits for anything.
    pub(super) fn all_agree(&mut self) -> bool {
        self.why_not().is_empty()
    }

    /// Why the world is not quiet; empty where it is.
    pub(super) fn why_not(&mut self) -> String {
        let Some(hub) = &self.hub.hub else {
            return "the hub is off".to_owned();
        };
        let Ok(catalog) = catalog::head(hub) else {
            return "the hub has no catalog".to_owned();
        };
        let recovers = |store: &(String, i64)| hub.db.read(|tx| recovering::is(tx, store.1)).unwrap_or(true);
        if self.hub.restored && self.stores.iter().any(recovers) {
            return "the hub recovers".to_owned();
        }
        let open = self.oracle.deeds.iter().filter(|deed| deed.state == State::Open).count();
        if open > 0 {
            return format!("{open} deeds have no answer");
        }
        for (index, machine) in self.machines.iter().enumerate() {
            let Some(running) = &machine.running else {
                return format!("{} is off", machine.name);
            };
            let real = |job: &Job| !matches!(job, Job::HubTime(..) | Job::Acked(_) | Job::AskLease { .. });
            if self.jobs[index].iter().any(real) {
                return format!("{} has work", machine.name);
            }
            let heads = batches::heads(hub, self.stores[machine.store].1).unwrap_or_default();
            let theirs = Frontier::from_heads(heads);
            let read = running
                .reads
                .with::<_, Stop>(|conn| Ok((incarnations::frontier(conn)?, status::read(conn)?)));
            let Ok((mine, standing)) = read else {
                return format!("{} can't be read", machine.name);
            };
            if mine.digest() != theirs.digest() {
                return format!("{}: {}", machine.name, differences(&mine, &theirs));
            }
            // What a forgotten incarnation wrote and the hub brought back is told as acknowledged with the next session.
            let unsynced = standing.me().map_or(1, |me| me.head.seq.saturating_sub(me.acked));
            if standing.catalog != catalog.at || unsynced > 0 {
                let at = standing.catalog;
                return format!("{}: catalog {at:?} of {:?}, {unsynced} unsynced", machine.name, catalog.at);
            }
        }
        if self.plan.carts { self.carts_differ().unwrap_or_default() } else { String::new() }
    }

    /// Judges the healed world.
    pub(super) fn check(&mut self) {
        if !self.oracle.wrong.is_empty() {
            return;
        }
        for store in 0..self.stores.len() {
            if let Err(why) = self.check_store(store) {
                self.oracle.blame(format!("store {store} can't be judged: {why}"));
            }
        }
        self.check_aside();
        self.check_carts();
        if !self.hub_clock_is_right() {
            self.oracle.blame("the hub has another time than the world".to_owned());
        }
    }

    fn check_store(&mut self, store: usize) -> Result<(), String> {
        let hub = self.hub.hub.as_ref().ok_or("the hub is off")?;
        let (code, number) = self.stores[store].clone();
        let log = log_of_hub(hub, number).map_err(|e| e.to_string())?;
        let mut wrong = chains(&log);
        let books = books_of(&log);
        let mut expected = judge_books(&self.oracle, store, &books, &taken_in(&log), &mut wrong);
        judge_numbers(&books, self.twins_in(store), &mut wrong);

        let sums = totals::totals(hub, &code, Days { from: i32::MIN, to: i32::MAX });
        let sums = sums.map_err(|e| e.to_string())?;
        let told = (sums.takings, sums.sales, sums.refunds);
        let cash = sums.tenders.get("cash").copied().unwrap_or(0);
        if told != expected.money || cash != expected.money.0 {
            wrong.push(format!("hub: {told:?}, cash {cash}; the oracle says {:?}", expected.money));
        }
        let surplus = surplus(&log, &caps_of(&log), &self.oracle.free_to_mint, &mut wrong);
        for (item, units) in &mut expected.on_hand {
            let sku = &self.items[*item].sku;
            let picture = stock::get(hub, &code, sku).map_err(|e| e.to_string())?.picture;
            let shelf = self.oracle.shelf.get(&(store, *item)).copied().unwrap_or(0);
            let shelf = shelf + self.oracle.in_carts(store, *item);
            let latest = hub.db.read(|tx| latest_count(tx, number, sku)).map_err(|e| e.to_string())?;
            if let Some((author, seq, tainted)) = latest {
                *units = i64::try_from(picture.on_hand).unwrap_or(i64::MAX);
                // Of a count in doubt it is only promised that a recount is asked for.
                let known = self.oracle.counts.get(&(author, seq)).filter(|it| it.exact && !tainted);
                if let Some(count) = known.filter(|_| !expected.forgot) {
                    let lies = shelf + count.beyond + self.oracle.stolen_since(store, *item, count.thefts);
                    if *units != lies {
                        wrong.push(format!(
                            "hub: {units} of {sku} on hand by {count:?}, {lies} by the oracle"
                        ));
                    }
                }
                continue;
            }
            if picture.on_hand != i128::from(*units) {
                wrong.push(format!("hub: {} of {sku} on hand, the oracle says {units}", picture.on_hand));
            }
            let should = i128::from(surplus.units.get(sku).copied().unwrap_or(0));
            if picture.d() != should && !surplus.given_behind.contains(sku) {
                wrong.push(format!("hub: {sku} has a surplus of {}, the log makes {should}", picture.d()));
            }
            if shelf + self.oracle.stolen_since(store, *item, 0) != *units && !expected.forgot {
                wrong.push(format!("{shelf} of {sku} lie on the shelf, the books make {units}"));
            }
        }
        let rights = hub.db.read(|tx| hub_stock::rights(tx, number, "", "\u{10ffff}"));
        let rights = rights.map_err(|e| e.to_string())?;
        let state = state_hash::of_store(hub, &code).map_err(|e| e.to_string())?.state;
        for machine in self.machines.iter().filter(|machine| machine.store == store) {
            let Some(running) = &machine.running else { continue };
            wrong.extend(judge_rights(running, &machine.name, &rights));
            for line in judge_node(running, &expected, &self.items, state) {
                wrong.push(format!("{}: {line}", machine.name));
            }
        }
        wrong.extend(outbox_gaps(hub, number, &log));
        for (index, order) in self.oracle.web.iter().enumerate().filter(|(_, order)| order.store == store) {
            let shown = match reserve::get(hub, order.id) {
                Ok(shown) => shown,
                // It was taken after the backup, and no journal and no node has kept it.
                Err(_) if order.unsure && order.state == "open" => continue,
                Err(why) => return Err(why.to_string()),
            };
            let state = reserve::state(&shown.row);
            let asked = |deed: &Deed| {
                let of = matches!(deed.kind, Kind::PickUp(it) | Kind::CallOff(it) if it == index);
                of && Oracle::verdict(deed) == Verdict::May
            };
            let unsure = self.oracle.deeds.iter().any(asked);
            if (state != order.state && !unsure) || shown.row.units != order.units {
                wrong.push(format!("web order {index} is {state}, the oracle says {order:?}"));
            }
            for machine in self.machines.iter().filter(|machine| machine.store == store) {
                let known =
                    machine.running.as_ref().map(|running| known_of(running, order.id)).transpose()?;
                if let Some(known) = known.flatten().filter(|known| *known != state) {
                    wrong.push(format!(
                        "{}: web order {index} is {known}, the hub says {state}",
                        machine.name
                    ));
                }
            }
        }
        let line = format!("store {store}: state {state}, takings {:?}", expected.money);
        self.say(&line);
        wrong.into_iter().for_each(|what| self.oracle.blame(format!("store {store}: {what}")));
        Ok(())
    }

    /// Quarantine holds exactly what was poisoned, and the review list nothing else.
    fn check_aside(&mut self) {
        let found = self.with_hub(|hub| review::quarantine(hub, true, 10_000)).unwrap_or_default();
        let twins = !self.oracle.twins.is_empty();
        // What the other one of two machines with one disk wrote is kept aside for people; what it sold is said again.
        let of_twin = |reason: &str| twins && reason == SECOND_BRANCH;
        let aside: BTreeSet<_> = found
            .iter()
            .filter(|it| !of_twin(&it.event.reason))
            .map(|it| (it.incarnation, it.event.seq, it.event.reason.clone()))
            .collect();
        let is: BTreeSet<_> = aside.iter().map(|(incarnation, seq, _)| (*incarnation, *seq)).collect();
        if is != self.poisoned {
            self.oracle.blame(format!("in quarantine are {aside:?}; poisoned were {:?}", self.poisoned));
        }
        let findings = self.with_hub(|hub| review::list(hub, false, 0, 10_000)).unwrap_or_default();
        let ours = |kind: &str| FINDINGS.contains(&kind) || (twins && OF_TWINS.contains(&kind));
        for (store, finding) in findings.into_iter().filter(|(_, finding)| !ours(&finding.kind)) {
            self.oracle.blame(format!("for review in {store}: {} {}", finding.kind, finding.detail));
        }
    }
}

/// Why the hub keeps an event of a stream's other branch aside.
const SECOND_BRANCH: &str = "a second branch of the stream";

/// What a node knows of a reservation.
fn known_of(running: &super::machine::Running, id: Id) -> Result<Option<&'static str>, String> {
    let found = running.reads.with::<_, Stop>(|conn| Ok(reservations::find(conn, &id)?));
    let of = |row: reservations::Reservation| match row.state {
        _ if row.sale.is_some() => "fulfilled",
        reservations::State::Open => "open",
        reservations::State::Fulfilled => "fulfilled",
        reservations::State::Cancelled => "cancelled",
        reservations::State::Expired => "expired",
    };
    found.map(|row| row.map(of)).map_err(|stop| format!("{stop:?}"))
}

/// What the oracle expects of a store's books.
struct Expected {
    /// Takings, sales, refunds.
    money: (i64, i64, i64),
    /// By item.
    on_hand: BTreeMap<usize, i64>,
    /// Something was forgotten or given up, so the shelf is no longer what the books make.
    forgot: bool,
}

fn judge_books(
    oracle: &Oracle,
    store: usize,
    books: &Books,
    taken_in: &BTreeSet<Id>,
    wrong: &mut Vec<String>,
) -> Expected {
    let mut expected = Expected { money: (0, 0, 0), on_hand: BTreeMap::new(), forgot: false };
    let mut known = BTreeSet::new();
    for (index, deed) in oracle.deeds.iter().enumerate() {
        if deed.store != store || matches!(deed.kind, Kind::Grant(..) | Kind::CallOff(_)) {
            continue;
        }
        if matches!(deed.kind, Kind::PickUp(_)) {
            // What is handed out of an order has no document of its own.
            let done = matches!(deed.state, State::Answered(_));
            for (item, units) in oracle.moved(deed).into_iter().filter(|_| done) {
                *expected.on_hand.entry(item).or_default() += units;
            }
            continue;
        }
        if let Kind::Checkout(basket) = deed.kind {
            let basket = &oracle.baskets[basket];
            known.insert(basket.id);
            expected.forgot |= Oracle::verdict(deed) == Verdict::May || basket.loose;
            for it in judge_checkout(oracle, (index, deed), basket, books, wrong) {
                expected.money.0 += it.printed.as_ref().map_or(0, |(_, _, _, total)| *total);
                expected.money.1 += 1;
                for (code, pieces) in &it.sold {
                    let item = oracle.codes.get(code).copied().unwrap_or(usize::MAX);
                    *expected.on_hand.entry(item).or_default() -= i64::try_from(*pieces).unwrap_or(0);
                }
            }
            continue;
        }
        if let Kind::TakeIn(transfer) = deed.kind {
            let (stands, verdict) =
                (taken_in.contains(&oracle.transfers[transfer].id), Oracle::verdict(deed));
            expected.forgot |= verdict == Verdict::May;
            if verdict == Verdict::Must && !stands {
                wrong.push(format!("deed {index} is not in the books: {deed:?}"));
            }
            for (item, units) in oracle.moved(deed).into_iter().filter(|_| stands && verdict != Verdict::Not)
            {
                *expected.on_hand.entry(item).or_default() += units;
            }
            continue;
        }
        known.insert(deed.id);
        let found = books.get(&deed.id).map_or(&[][..], Vec::as_slice);
        let verdict = Oracle::verdict(deed);
        expected.forgot |= verdict == Verdict::May;
        match (verdict, found.len()) {
            (Verdict::Must, 1) | (Verdict::May, 0 | 1) | (Verdict::Not, 0) => {}
            (_, times) => wrong.push(format!("deed {index} ({verdict:?}) stands {times} times: {deed:?}")),
        }
        let Some(it) = found.first() else { continue };
        if let (State::Answered(receipt), Some((till, series, n, total))) = (&deed.state, &it.printed) {
            let told = (&receipt.number, receipt.total, receipt.author, receipt.seq);
            let is = (&Some((till.clone(), series.clone(), *n)), *total, it.author, it.seq);
            if told != is {
                wrong.push(format!("deed {index} was told {told:?}, the books say {is:?}"));
            }
        }
        if let Some((_, _, _, total)) = it.printed {
            expected.money.0 += total;
            match deed.kind {
                Kind::Refund { .. } => expected.money.2 += 1,
                _ => expected.money.1 += 1,
            }
        }
        for (item, units) in oracle.moved(deed) {
            *expected.on_hand.entry(item).or_default() += units;
        }
    }
    for ((_, item), units) in oracle.foreign.iter().filter(|((of, _), _)| *of == store) {
        *expected.on_hand.entry(*item).or_default() += units;
    }
    for (id, found) in books.iter().filter(|(id, _)| !known.contains(*id)) {
        wrong.push(format!("the books hold {id} {} times, which nobody asked for", found.len()));
    }
    expected
}

fn judge_node(
    running: &super::machine::Running,
    expected: &Expected,
    items: &[super::world::Item],
    state: Hash,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let read = running.reads.with::<_, Stop>(|conn| {
        let sums = node_totals::of_days(conn, Day(i32::MIN), Day(i32::MAX))?;
        let mut on_hand = BTreeMap::new();
        node_stock::each(conn, |_, sku, row| {
            on_hand.insert(sku.0, row.on_hand);
        })?;
        Ok((sums, on_hand, node_hash::gather(conn)?.state_hash()))
    });
    let (sums, on_hand, own) = match read {
        Ok(read) => read,
        Err(stop) => return vec![format!("can't be read: {stop:?}")],
    };
    let counted = |n: u64| i64::try_from(n).unwrap_or(-1);
    let told = (sums.takings, counted(sums.sales), counted(sums.refunds));
    if told != expected.money {
        wrong.push(format!("{told:?}; the oracle says {:?}", expected.money));
    }
    for (item, units) in &expected.on_hand {
        let held = on_hand.get(&items[*item].sku).copied().unwrap_or(0);
        if held != *units {
            wrong.push(format!("{held} of {} on hand, the oracle says {units}", items[*item].sku));
        }
    }
    if own != state {
        wrong.push(format!("state hash {own}, the hub has {state}"));
    }
    wrong
}

/// I2, healed: what a node takes for its own rights is what all cells make.
fn judge_rights(
    running: &super::machine::Running,
    name: &str,
    rights: &BTreeMap<String, Rights>,
) -> Vec<String> {
    let me = running.node.me().0;
    let mut wrong = Vec::new();
    let read = running.reads.with::<_, Stop>(|conn| {
        node_stock::each(conn, |_, sku, row| {
            let all = rights.get(&sku.0).map_or(0, |rights| rights.of(&me));
            if all != i128::from(row.rights()) {
                wrong.push(format!("{name}: {} rights of {}, all cells make {all}", row.rights(), sku.0));
            }
        })?;
        Ok(())
    });
    if let Err(stop) = read {
        wrong.push(format!("{name} can't be read: {stop:?}"));
    }
    wrong
}

/// The count that an item stands on, and whether it is in doubt.
fn latest_count(
    tx: &mut tradepost_central::db::Tx<'_>,
    store: i64,
    sku: &str,
) -> Result<Option<(Incarnation, u64, bool)>, DbError> {
    let Some(row) = counts::latest(tx, store, sku)? else { return Ok(None) };
    let author = authors::by_no(tx, row.author)?;
    Ok(author.map(|author| (author.incarnation, row.seq, row.tainted)))
}

/// I10: one outbox row an event, numbered without a gap.
fn outbox_gaps(hub: &tradepost_central::hub::Hub, store: i64, log: &Log) -> Vec<String> {
    let sql = "SELECT count(*), coalesce(max(seq), 0) FROM outbox \
        WHERE source = 'event' AND author IN (SELECT author FROM authors WHERE store = ?1)";
    let row = hub.db.read::<_, DbError>(|tx| {
        let row = tx.row(sql, &[store.into()])?.ok_or_else(|| DbError::Shape("no row".to_owned()))?;
        Ok((row.get::<u64>(0)?, row.get::<u64>(1)?))
    });
    let events = u64::try_from(log.values().map(Vec::len).sum::<usize>()).unwrap_or(0);
    match row {
        Ok((rows, _)) if rows == events => Vec::new(),
        Ok((rows, last)) => vec![format!("{events} events, {rows} rows in the outbox, the last is {last}")],
        Err(error) => vec![format!("the outbox can't be read: {error}")],
    }
}

fn differences(mine: &Frontier, theirs: &Frontier) -> String {
    let ids: BTreeSet<Incarnation> =
        mine.heads().chain(theirs.heads()).map(|head| head.incarnation).collect();
    let differs = |id: &Incarnation| mine.head(id) != theirs.head(id);
    let shown = ids.iter().filter(|id| differs(id)).map(|id| {
        let id_text = id.to_string();
        format!("{} here {} hub {}", super::hub_work::short(&id_text), mine.seq(id), theirs.seq(id))
    });
    shown.collect::<Vec<_>>().join(", ")
}
