//! The node's lease (`model.md` §3.1): what it asks with, what it holds, and what is locked without it.
//!
//! It lives as long as the program: every start is a boot of its own, in which the hub has to acknowledge something first,
//! so that of two machines from one image the second is a fork and not a seller.

use super::clock::Now;
use super::enrol;
use super::node::Node;
use super::problem::{Answer, Code, Stop, no_at};
use crate::db::{Fault, stock};
use std::cell::Cell;
use std::collections::BTreeMap;
use tradepost_sync::event::Head;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::lease::{Clocks, GRACE_MS, LeaseAsk, Locked, SealedLease, Tenancy, renew_after_ms};

/// An ask that was not answered for so long is made with a new nonce, so that what it brings runs longer.
const ASKED_ANEW_MS: i64 = 5_000;

/// What the node remembers of its lease, until the program ends or another incarnation writes.
#[derive(Debug)]
pub(super) struct Tenure {
    tenancy: Tenancy,
    who: Incarnation,
    /// Seq of the first event that was written here since the start.
    since: u64,
    /// The clocks as they were looked at last.
    seen: Cell<Clocks>,
    /// When carts took their first tender.
    tendered: BTreeMap<Id, Clocks>,
}

impl Tenure {
    /// A start: nothing of an earlier one counts.
    pub(super) fn begin(head: &Head) -> Self {
        Self {
            tenancy: Tenancy::default(),
            who: head.incarnation,
            since: head.seq + 1,
            seen: Cell::default(),
            tendered: BTreeMap::new(),
        }
    }

    /// Another incarnation that writes here has no lease.
    pub(super) fn goes_on_as(&mut self, head: &Head) {
        if head.incarnation != self.who {
            *self = Self { seen: Cell::new(self.seen.get()), ..Self::begin(head) };
        }
    }

    /// The clocks were looked at.
    pub(super) fn look_at(&self, clocks: Clocks) {
        self.seen.set(clocks);
    }
}

impl Node {
    /// The lease, as of now.
    pub fn tenancy(&self) -> Tenancy {
        Tenancy { alone: !self.me.enrolled, ..self.tenure.tenancy }
    }

    /// Whether what a lease covers is open, by the clocks as they were looked at last.
    ///
    /// # Errors
    /// [`Locked`].
    pub(crate) fn lock(&self) -> Result<(), Locked> {
        self.tenancy().check(self.tenure.seen.get())
    }

    /// The same for what finishes a cart: one that was tendered within the lease may still be committed for five minutes.
    ///
    /// # Errors
    /// [`Locked`].
    pub(crate) fn lock_for(&self, cart: Option<&Id>) -> Result<(), Locked> {
        let now = self.tenure.seen.get();
        let tendered = cart.and_then(|cart| self.tenure.tendered.get(cart));
        match tendered {
            Some(at) if self.tenancy().covers_tendered(*at, now) => Ok(()),
            _ => self.lock(),
        }
    }

    /// A cart takes its first tender.
    pub(crate) fn is_tendered(&mut self, cart: Id) {
        let now = self.tenure.seen.get();
        self.tenure.tendered.retain(|_, at| now.boot.saturating_sub(at.boot) <= GRACE_MS);
        self.tenure.tendered.insert(cart, now);
    }
}

/// Why something strict can't be promised, as a caller is told.
fn refusal(locked: Locked) -> String {
    let what = "goods that are sold only within rights can't be promised";
    match locked {
        Locked::NotAcknowledged | Locked::NoLease => format!(
            "{what}: {locked}; it opens by itself once the hub is reached, and what the customer holds in hand is sold \
             meanwhile"
        ),
        Locked::RanOut { .. } => {
            format!(
                "{what}: {locked}; reach the hub to renew it, and sell meanwhile what the customer holds in hand"
            )
        }
        Locked::Drifted { .. } => format!("{what}: {locked}; set the clock right and reach the hub"),
    }
}

/// What to say to the hub for a lease; none from a node that has no hub or whose stream has ended. The same again until
/// it is answered or five seconds have passed, so that several ways to the hub carry one ask.
pub fn ask(node: &mut Node, now: Now) -> Option<LeaseAsk> {
    if !node.me.enrolled || node.me.retired {
        return None;
    }
    let open = node.tenure.tenancy.ask.filter(|ask| now.boot.saturating_sub(ask.at.boot) < ASKED_ANEW_MS);
    let ask = match open {
        Some(ask) => ask,
        None => {
            let nonce = (node.luck)();
            node.tenure.tenancy.ask(nonce, Clocks { boot: now.boot, wall: now.wall })
        }
    };
    Some(LeaseAsk { incarnation: node.head.incarnation, nonce: ask.nonce })
}

/// Takes a lease, whoever brought it, and settles what waited for it. Answers the reading of the boot clock at which the
/// next one is to be asked for; none where it was not taken, which changes nothing.
///
/// # Errors
/// A fault.
pub fn take(node: &mut Node, sealed: &SealedLease) -> Answer<Option<i64>> {
    let Some(hub) = enrol::hub(node.conn())? else { return Ok(None) };
    let was = node.lock();
    let me = node.head.incarnation;
    if let Err(refused) = node.tenure.tenancy.take(&me, &sealed.lease, &hub.key, &sealed.signature) {
        tracing::debug!(%refused, "a lease was not taken");
        return Ok(None);
    }
    // Answered: the next ask has a nonce of its own.
    let asked = node.tenure.tenancy.ask.take().map_or(0, |ask| ask.at.boot);
    node.touch();
    unlocked(node, was)?;
    Ok(Some(asked.saturating_add(renew_after_ms(sealed.lease.length_ms))))
}

/// The hub holds the own stream up to here: where that is an event of this start, this is no twin of an older image.
///
/// # Errors
/// A fault.
pub(super) fn acknowledged(node: &mut Node, head: &HeadMark) -> Result<(), Fault> {
    let counts = head.incarnation == node.tenure.who && head.seq >= node.tenure.since;
    if !counts || node.tenure.tenancy.acknowledged {
        return Ok(());
    }
    let was = node.lock();
    node.tenure.tenancy.acknowledge();
    match unlocked(node, was) {
        Err(Stop::Fault(fault)) => Err(fault),
        // What can't be settled now is settled with the next rights.
        Err(Stop::No(_)) | Ok(()) => Ok(()),
    }
}

/// Overdraw that was taken while the node was locked is covered as soon as it isn't any more (`model.md` §8, G18).
fn unlocked(node: &mut Node, was: Result<(), Locked>) -> Answer<()> {
    if was.is_ok() || node.lock().is_err() {
        return Ok(());
    }
    tracing::info!("the lease holds: what it covers is open");
    node.flush()?;
    let mut owed = Vec::new();
    stock::each(node.conn(), |_, sku, row| {
        if row.overdraw() > 0 && row.rights() > 0 {
            owed.push(sku);
        }
    })?;
    let seen = node.tenure.seen.get();
    let now = node.clock.read(seen.wall, seen.boot);
    node.settle(now, owed)
}

/// A line of something strict, refused at a locked node.
pub(crate) fn expired(locked: Locked, line: usize) -> Stop {
    no_at(Code::LeaseExpired, format!("/lines/{line}/sku"), refusal(locked))
}

#[cfg(test)]
mod tests {
    use super::super::start::{Starting, begin_again, start};
    use super::*;
    use crate::app::enrol::Hub;
    use crate::db::stock::Stock;
    use crate::db::{Durability, meta};
    use std::path::PathBuf;
    use tradepost_commerce::document::Sku;
    use tradepost_sync::body::{Moved, StockAdjusted};
    use tradepost_sync::clock::Tau;
    use tradepost_sync::lease::Lease;
    use tradepost_sync::rights;
    use tradepost_sync::signing::Device;

    const WALL: i64 = 1_767_225_600_000;
    const HOUR: i64 = 3_600_000;
    const LENGTH: i64 = 72 * HOUR;

    fn hub_device() -> Device {
        Device::from_secret([9; 32])
    }

    /// A node of a store, just started.
    fn enrolled(name: &str) -> Node {
        let dir: PathBuf =
            std::env::temp_dir().join(format!("tradepost-lease-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut n = 0u8;
        let luck = Box::new(move || {
            n += 1;
            [n; 32]
        });
        let durability = Durability::Normal;
        let starting = Starting { luck, wall: WALL, boot: 0, durability, accept_clock: true };
        let mut node = start(&dir, starting).unwrap().0;
        let hub = Hub {
            address: "127.0.0.1:1".to_owned(),
            fingerprint: [1; 32],
            incarnation: Incarnation([8; 16]),
            key: hub_device().public(),
            store_code: "13".to_owned(),
            store_name: "Salem".to_owned(),
        };
        node.begin().unwrap();
        meta::set(node.conn(), "hub", &hub).unwrap();
        meta::set(node.conn(), "enrolled", &true).unwrap();
        node.reload().unwrap();
        node.touch();
        node.commit().unwrap();
        node
    }

    fn at(node: &Node, boot: i64) -> Now {
        node.now(WALL + boot, boot)
    }

    fn given(ask: &LeaseAsk, by: &Device) -> SealedLease {
        let LeaseAsk { incarnation, nonce } = *ask;
        SealedLease::seal(Lease { incarnation, nonce, issued: Tau::told(1, WALL), length_ms: LENGTH }, by)
    }

    fn heard(node: &mut Node, boot: i64) -> LeaseAsk {
        let now = at(node, boot);
        ask(node, now).unwrap()
    }

    fn taken(node: &mut Node, sealed: &SealedLease) -> Option<i64> {
        node.begin().unwrap();
        let next = take(node, sealed).unwrap();
        node.commit().unwrap();
        next
    }

    fn acked(node: &mut Node) {
        let mark = node.mark();
        node.begin().unwrap();
        node.note_acked(&mark).unwrap();
        node.commit().unwrap();
    }

    fn adjust(node: &mut Node, n: u8, units: i64, moved: Moved) {
        let now = at(node, 10);
        node.begin().unwrap();
        let (sku, reason) = (Sku("TEA".to_owned()), "found".to_owned());
        let body = StockAdjusted { adjustment: Id([n; 16]), sku, units, reason, approver: None, moved };
        node.write(now, None, None, body.into()).unwrap();
        node.commit().unwrap();
    }

    fn tea(node: &mut Node) -> Stock {
        let sku = node.sku_no(&Sku("TEA".to_owned())).unwrap();
        node.stock(sku).unwrap()
    }

    #[test]
    fn it_opens_with_the_hubs_word_on_both_and_ends_by_the_boot_clock() {
        let mut node = enrolled("opens");
        at(&node, 10);
        assert_eq!(node.lock(), Err(Locked::NotAcknowledged));
        acked(&mut node);
        assert_eq!(node.lock(), Err(Locked::NoLease));
        let first = heard(&mut node, 20);
        assert_eq!(heard(&mut node, 30), first, "an open ask is said again");
        assert_eq!(taken(&mut node, &given(&first, &Device::from_secret([3; 32]))), None, "not the hub's");
        assert_eq!(taken(&mut node, &given(&first, &hub_device())), Some(20 + HOUR), "renewed each hour");
        assert_eq!(node.lock(), Ok(()));
        assert_eq!(taken(&mut node, &given(&first, &hub_device())), None, "answered already");
        at(&node, 20 + LENGTH - 1);
        assert_eq!(node.lock(), Ok(()));
        at(&node, 20 + LENGTH);
        assert_eq!(node.lock(), Err(Locked::RanOut { ago_ms: 0 }));
        let next = heard(&mut node, LENGTH + HOUR);
        assert_ne!(next.nonce, first.nonce);
        taken(&mut node, &given(&next, &hub_device()));
        assert_eq!(node.lock(), Ok(()));
        node.now(WALL - HOUR, LENGTH + HOUR);
        assert!(matches!(node.lock(), Err(Locked::Drifted { .. })), "the wall was set back");
    }

    #[test]
    fn what_was_sold_in_hand_is_settled_as_it_opens() {
        let mut node = enrolled("settles");
        adjust(&mut node, 1, 3, Moved { m: 3, c: 0, o: 0 });
        adjust(&mut node, 2, -1, Moved { m: 0, c: 0, o: 1 });
        assert_eq!((tea(&mut node).rights(), tea(&mut node).overdraw()), (3, 1));
        let row = tea(&mut node);
        let standing = node.standing(&row);
        assert_eq!((standing.free(), rights::mint(&standing, 5)), (0, 0), "locked: nothing given, no M");
        let asked = heard(&mut node, 20);
        taken(&mut node, &given(&asked, &hub_device()));
        assert_eq!(tea(&mut node).overdraw(), 1, "the hub has acknowledged nothing yet");
        acked(&mut node);
        assert_eq!((tea(&mut node).rights(), tea(&mut node).overdraw()), (2, 0));
        let row = tea(&mut node);
        assert_eq!(node.standing(&row).free(), 2);
    }

    #[test]
    fn a_cart_tendered_within_the_lease_may_end_five_minutes_after_it() {
        let mut node = enrolled("grace");
        acked(&mut node);
        let asked = heard(&mut node, 0);
        taken(&mut node, &given(&asked, &hub_device()));
        let (in_time, late) = (Id([1; 16]), Id([2; 16]));
        at(&node, LENGTH - 1_000);
        node.is_tendered(in_time);
        at(&node, LENGTH + 1_000);
        node.is_tendered(late);
        for (boot, may) in
            [(LENGTH + 2_000, true), (LENGTH - 1_000 + GRACE_MS, true), (LENGTH + GRACE_MS, false)]
        {
            at(&node, boot);
            assert_eq!(node.lock_for(Some(&in_time)).is_ok(), may, "{boot}");
            assert!(node.lock_for(Some(&late)).is_err() && node.lock_for(None).is_err(), "{boot}");
        }
    }

    #[test]
    fn another_incarnation_begins_with_nothing() {
        let mut node = enrolled("again");
        acked(&mut node);
        let asked = heard(&mut node, 20);
        taken(&mut node, &given(&asked, &hub_device()));
        assert_eq!(node.lock(), Ok(()));
        let late = heard(&mut node, 30);
        let now = at(&node, 40);
        node.begin().unwrap();
        begin_again(&mut node, now).unwrap();
        node.commit().unwrap();
        assert_eq!(node.lock(), Err(Locked::NotAcknowledged));
        assert_eq!(taken(&mut node, &given(&late, &hub_device())), None, "the lease is another's");
        acked(&mut node);
        assert_eq!(node.lock(), Err(Locked::NoLease));
    }

    #[test]
    fn a_lone_node_needs_none() {
        let mut node = enrolled("lone");
        meta::set(node.conn(), "enrolled", &false).unwrap();
        node.reload().unwrap();
        let now = at(&node, 10);
        assert_eq!((node.lock(), ask(&mut node, now)), (Ok(()), None));
    }
}
