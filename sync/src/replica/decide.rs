//! What a replica decides: each is one of the small pure functions called on the replica's own values, and the event
//! that it leads to, not yet written.

use super::{Now, Replica, plain_sale};
use crate::body::{
    Body, CutHead, DeliveryLine, DeliveryReceived, IncarnationRetired, IncarnationStarted, Moved,
    ReservationCancelled, ReservationExpired, ReservationFulfilled, ReservationOpened, RetiredBy,
    RightsBurnt, RightsGranted, RightsSettled, StockAdjusted, StockCounted, StockOpened,
};
use crate::body::{CustodyMark, CustodyMoved, CustodyObject, CustodyTaken};
use crate::burn::BurnAsk;
use crate::clock::Tau;
use crate::count::Count;
use crate::cover::{Cover, Occasion, cover};
use crate::custody::{CustodyRefusal, End, Taker, end_reservation};
use crate::fence::WaitRefusal;
use crate::ids::{Hash, Id, Incarnation};
use crate::lease::{Deed, Leave};
use crate::rights::{self, Standing, StrictShort};
use crate::terms::Place;
use tradepost_commerce::document::Sku;
use tradepost_commerce::product::StockPolicy;

/// Why a replica decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not enough may be promised.
    #[error(transparent)]
    Short(#[from] StrictShort),
    /// Custody says no.
    #[error(transparent)]
    Custody(#[from] CustodyRefusal),
    /// What it is about is not this incarnation's to do now.
    #[error("not allowed: {deed:?}")]
    NotAllowed {
        /// What.
        deed: Deed,
    },
    /// Nobody gives to an incarnation that is not in the roster, fenced, retired or frozen.
    #[error("{to} may not be given rights")]
    MayNotBeGiven {
        /// To whom.
        to: Incarnation,
    },
    /// There is nothing to do.
    #[error("nothing to do")]
    Nothing,
    /// The document can't be made.
    #[error("the document: {0}")]
    Document(String),
}

/// A promise that is decided: what is covered before it, and then the promise itself or its refusal. What is covered
/// is written either way, or a refused order would leave the overdraw that stood in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Grants and settlements, in order.
    pub covers: Vec<Body>,
    /// The promise.
    pub then: Result<Body, Refused>,
}

/// A count under way: what was known when it began.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountStart {
    /// The item.
    pub sku: Sku,
    /// τs.
    pub tau: Option<Tau>,
    /// The join of what the answering nodes held.
    pub cut: Vec<(Incarnation, u64, Hash)>,
    /// Who answered, itself included.
    pub answered: Vec<Incarnation>,
    /// Rights that carts held.
    pub held: u64,
}

impl Replica {
    /// Where this incarnation stands in the roster.
    pub fn place(&self) -> Place {
        self.terms().place(&self.me())
    }

    /// Whether what a lease covers is locked.
    pub fn locked(&self, now: Now) -> bool {
        self.fenced_itself || self.tenancy.check(now.clocks).is_err()
    }

    /// How far a deed may go now.
    pub fn leave(&self, deed: Deed, now: Now) -> Leave {
        deed.leave(self.place(), self.locked(now))
    }

    /// What may be promised of a sku, and whether rights may be written at all.
    pub fn standing(&self, sku: &Sku, now: Now) -> Standing {
        Standing {
            rights: u64::try_from(self.rights_of(sku, &self.me()).max(0)).unwrap_or(u64::MAX),
            held: self.held.get(sku).copied().unwrap_or(0),
            registered: self.place() == Place::Live,
            locked: self.locked(now),
        }
    }

    /// What is to be covered before a promise, or after a gain; as events, and what is left.
    pub fn covers(&self, sku: &Sku, why: Occasion, now: Now) -> (Vec<Body>, Cover) {
        let free = self.standing(sku, now).free();
        let Some(item) = self.state().items.get(sku) else {
            return (Vec::new(), Cover { free, ..Cover::default() });
        };
        let cover = cover(&item.rights, self.terms(), sku, &self.me(), free, why);
        let settled =
            (cover.settle > 0).then(|| Body::from(RightsSettled { sku: sku.clone(), units: cover.settle }));
        let grants = cover
            .grants
            .iter()
            .map(|(to, units)| Body::from(RightsGranted { sku: sku.clone(), to: *to, units: *units }));
        (settled.into_iter().chain(grants).collect(), cover)
    }

    /// A sale. A strict one covers others' overdraw first.
    pub fn sell(&self, sku: &Sku, units: u64, policy: StockPolicy, approved: bool, now: Now) -> Promise {
        let standing = self.standing(sku, now);
        let (covers, free) = match policy {
            StockPolicy::Strict => {
                let (covers, cover) = self.covers(sku, Occasion::StrictPromise, now);
                (covers, cover.free)
            }
            StockPolicy::InHand | StockPolicy::Override => (Vec::new(), standing.free()),
        };
        let then = self.sale(
            sku,
            units,
            policy,
            approved,
            Standing { rights: free, held: 0, ..standing },
            &covers,
            now,
        );
        Promise { covers, then }
    }

    #[allow(clippy::too_many_arguments)]
    fn sale(
        &self,
        sku: &Sku,
        units: u64,
        policy: StockPolicy,
        approved: bool,
        left: Standing,
        covers: &[Body],
        now: Now,
    ) -> Result<Body, Refused> {
        if self.leave(Deed::SellInHand, now) == Leave::Refused {
            return Err(Refused::NotAllowed { deed: Deed::SellInHand });
        }
        let taken = rights::take(&left, policy, units, approved)?;
        let moved = Moved { m: 0, c: taken.rights, o: taken.overdraw };
        // The covering events come first in the stream; the sale's id follows from its own place.
        let mut head = *self.head();
        head.seq += u64::try_from(covers.len()).unwrap_or(0);
        let sale = plain_sale(&head, now.clocks.wall, self.next_number(), sku, units, moved, None);
        Ok(sale.map_err(Refused::Document)?.into())
    }

    /// A locked store hands a reservation over: a sale in hand that names it, all of it overdraw.
    ///
    /// # Errors
    /// [`Refused`] where it isn't this store's, or has ended.
    pub fn hand_over(&self, reservation: Id, now: Now) -> Result<Body, Refused> {
        let promised = self.state().reservations.get(&reservation).ok_or(CustodyRefusal::Unknown)?;
        let custody = self.custody_of(&CustodyObject::Reservation(reservation))?;
        custody.finish(&CustodyObject::Cart(reservation), &self.me(), true)?;
        let moved = Moved { m: 0, c: 0, o: promised.units };
        let (sku, units) = (&promised.sku, promised.units);
        let number = self.next_number();
        let sale = plain_sale(self.head(), now.clocks.wall, number, sku, units, moved, Some(reservation));
        Ok(sale.map_err(Refused::Document)?.into())
    }

    fn next_number(&self) -> u64 {
        let own = self.me().series();
        let mine = self.state().receipts.keys().filter(|(_, series, _)| *series == own);
        mine.map(|(_, _, n)| n + 1).max().unwrap_or(1)
    }

    /// Goods come in. Of an announced delivery only its custodian takes them.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn receive(&self, delivery: Id, sku: &Sku, units: u64, now: Now) -> Result<Body, Refused> {
        let object = CustodyObject::Delivery(delivery);
        let custody = match self.state().custody.get(&object) {
            Some(custody) => custody.finish(&object, &self.me(), self.locked(now))?,
            None => CustodyMark::FIRST,
        };
        if self.leave(Deed::Receive, now) == Leave::Refused {
            return Err(Refused::NotAllowed { deed: Deed::Receive });
        }
        let moved = Moved { m: rights::mint(&self.standing(sku, now), units), ..Moved::default() };
        let line = DeliveryLine { sku: sku.clone(), units, expected: None, cost: None, moved };
        Ok(DeliveryReceived {
            delivery,
            reference: String::new(),
            lines: vec![line],
            custody,
            same_as: None,
            approver: None,
        }
        .into())
    }

    /// A correction: down like a sale in hand, up like a count (nothing is minted).
    pub fn adjust(&self, adjustment: Id, sku: &Sku, units: i64, now: Now) -> Result<Body, Refused> {
        let taken = match u64::try_from(units.saturating_neg()) {
            Ok(down) => rights::take(&self.standing(sku, now), StockPolicy::InHand, down, false)?,
            Err(_) => rights::Taken::default(),
        };
        let moved = Moved { m: 0, c: taken.rights, o: taken.overdraw };
        let reason = if units < 0 { "breakage" } else { "found" }.to_owned();
        Ok(StockAdjusted { adjustment, sku: sku.clone(), units, reason, approver: None, moved }.into())
    }

    /// Rights for another, at most the free ones.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn grant(&self, sku: &Sku, to: Incarnation, units: u64, now: Now) -> Result<Body, Refused> {
        if self.leave(Deed::Give, now) == Leave::Refused {
            return Err(Refused::NotAllowed { deed: Deed::Give });
        }
        if to == self.me() || !self.terms().may_be_given(&to) {
            return Err(Refused::MayNotBeGiven { to });
        }
        match rights::give(&self.standing(sku, now), units) {
            0 => Err(Refused::Nothing),
            units => Ok(RightsGranted { sku: sku.clone(), to, units }.into()),
        }
    }

    /// Own overdraw covered by own free rights.
    ///
    /// # Errors
    /// [`Refused::Nothing`].
    pub fn settle(&self, sku: &Sku, now: Now) -> Result<Body, Refused> {
        match rights::settle(&self.standing(sku, now), self.overdraw_of(sku, &self.me())) {
            0 => Err(Refused::Nothing),
            units => Ok(RightsSettled { sku: sku.clone(), units }.into()),
        }
    }

    /// A burn that the hub asks for: once per request, also where nothing is burnt.
    ///
    /// # Errors
    /// [`Refused::Nothing`] where the request was answered.
    pub fn burn(&self, ask: &BurnAsk, now: Now) -> Result<Body, Refused> {
        if self.state().burnt.contains_key(&ask.id) || ask.holder != self.me() {
            return Err(Refused::Nothing);
        }
        if self.leave(Deed::Burn, now) == Leave::Refused {
            return Err(Refused::NotAllowed { deed: Deed::Burn });
        }
        let standing = self.standing(&ask.sku, now);
        let units = rights::burn(&standing, &self.picture(&ask.sku), Some(ask.units));
        Ok(RightsBurnt { sku: ask.sku.clone(), units, asked_by: Some(ask.id) }.into())
    }

    /// A count begins: what this node and the `others` that answer hold now.
    pub fn begin_count(&self, sku: &Sku, others: &[&Replica], now: Now) -> CountStart {
        let everyone = || others.iter().copied().chain([self]);
        let mut join = self.heads();
        for head in others.iter().flat_map(|other| other.heads()) {
            let ours = join.entry(head.0).or_insert(head.1);
            if head.1.seq > ours.seq {
                *ours = head.1;
            }
        }
        CountStart {
            sku: sku.clone(),
            tau: now.tau,
            cut: join.into_iter().map(|(i, cap)| (i, cap.seq, cap.hash)).collect(),
            answered: everyone().map(Replica::me).collect(),
            held: everyone().filter_map(|node| node.held.get(sku)).sum(),
        }
    }

    /// A count ends: n was found. The counting node burns at once what its view shows too much.
    pub fn end_count(&self, id: Id, start: &CountStart, n: u64, others: &[&Replica], now: Now) -> Body {
        let both: Vec<&Replica> =
            others.iter().copied().chain([self]).filter(|node| start.answered.contains(&node.me())).collect();
        let end = |node: &&Replica| {
            let own = node.heads().get(&node.me()).copied();
            let (seq, hash) = own.map_or((0, Hash::ZERO), |cap| (cap.seq, cap.hash));
            CutHead { incarnation: node.me(), seq, hash }
        };
        let mut cut_start: Vec<CutHead> = start
            .cut
            .iter()
            .map(|(incarnation, seq, hash)| CutHead { incarnation: *incarnation, seq: *seq, hash: *hash })
            .collect();
        // Whoever answered and had written nothing yet answered with 0.
        for node in &both {
            if !cut_start.iter().any(|head| head.incarnation == node.me()) {
                cut_start.push(CutHead { incarnation: node.me(), seq: 0, hash: Hash::ZERO });
            }
        }
        let mut counted = StockCounted {
            count: id,
            sku: start.sku.clone(),
            n,
            tau_start: start.tau,
            tau_end: now.tau,
            cut_start,
            cut_end: both.iter().map(end).collect(),
            held: start.held + both.iter().filter_map(|node| node.held.get(&start.sku)).sum::<u64>(),
            moved: Moved::default(),
            variance: 0,
        };
        let (variance, burnt) = self.weigh(&counted, now);
        counted.variance = variance;
        counted.moved.c = burnt;
        counted.into()
    }

    /// Variance and burn of a count that is about to be written.
    fn weigh(&self, counted: &StockCounted, now: Now) -> (i64, u64) {
        let (me, seq) = (self.me(), self.head().seq + 1);
        let before = self.picture(&counted.sku);
        let item = self.state().items.get(&counted.sku).cloned().unwrap_or_default();
        let mut picture = before;
        picture.on_hand = item.fold_with(Count::of(me, seq, counted)).on_hand;
        let variance = i64::try_from(picture.on_hand - before.on_hand).unwrap_or(i64::MAX);
        (variance, rights::burn(&self.standing(&counted.sku, now), &picture, None))
    }

    /// The hub promises a web order's units: a strict promise out of its own rights, covering first.
    pub fn reserve(
        &self,
        reservation: Id,
        sku: &Sku,
        units: u64,
        custodian: Incarnation,
        expires: Tau,
        now: Now,
    ) -> Promise {
        let (covers, cover) = self.covers(sku, Occasion::StrictPromise, now);
        let left = Standing { rights: cover.free, held: 0, ..self.standing(sku, now) };
        let opened = |taken: rights::Taken| ReservationOpened {
            reservation,
            order: reservation,
            sku: sku.clone(),
            units,
            moved: Moved { c: taken.rights, ..Moved::default() },
            expires,
            custodian,
            reference: String::new(),
            prepaid: None,
        };
        let taken = rights::take(&left, StockPolicy::Strict, units, false);
        Promise { covers, then: taken.map(|taken| opened(taken).into()).map_err(Refused::from) }
    }

    /// A reservation comes to its end, by its custodian.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn end(&self, reservation: Id, how: End, now: Now) -> Result<Body, Refused> {
        let promised = self.state().reservations.get(&reservation).ok_or(CustodyRefusal::Unknown)?.clone();
        let known = self.custody_of(&CustodyObject::Reservation(reservation))?;
        let handed_over = self.state().handed_over.contains_key(&reservation);
        let (sku, units) = (promised.sku, promised.units);
        let (custody, moved) = end_reservation(known, &self.me(), self.locked(now), how, handed_over, units)?;
        Ok(match how {
            End::Fulfilled => ReservationFulfilled { reservation, sku, units, custody }.into(),
            End::Expired => ReservationExpired { reservation, sku, units, moved, custody }.into(),
            End::Cancelled | End::Closed => {
                ReservationCancelled { reservation, sku, units, moved, custody }.into()
            }
        })
    }

    /// Custody of an object goes to another.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn hand_on(&self, object: CustodyObject, to: Incarnation, now: Now) -> Result<Body, Refused> {
        let CustodyMark { epoch, n } = self.custody_of(&object)?.hand_on(&self.me(), self.locked(now))?;
        Ok(CustodyMoved { object, epoch, n, from: self.me(), to, basis: Vec::new() }.into())
    }

    /// A forced takeover, after the owner's wait.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn take_over(
        &self,
        object: CustodyObject,
        owner: Incarnation,
        wait: Result<Option<Tau>, WaitRefusal>,
    ) -> Result<Body, Refused> {
        let known = *self.custody_of(&object)?;
        let by = if self.terms().hub() == Some(self.me()) { Taker::Hub } else { Taker::Manager };
        let mark = known.take_over(&object, by, wait)?;
        Ok(CustodyTaken {
            object,
            epoch: mark.epoch,
            owner,
            superseded_epoch: known.epoch,
            superseded_n: known.n,
            superseded_hash: Hash::ZERO,
        }
        .into())
    }

    fn custody_of(&self, object: &CustodyObject) -> Result<&crate::custody::Custody, Refused> {
        self.state().custody.get(object).ok_or(Refused::Custody(CustodyRefusal::Unknown))
    }

    /// The program started: the first thing that a new boot writes.
    pub fn started(random: [u8; 16], carried: Vec<(Sku, u64)>) -> Body {
        IncarnationStarted { random, program: "replica".to_owned(), carried }.into()
    }

    /// The stream's last event.
    pub fn retired(&self, by: RetiredBy) -> Body {
        IncarnationRetired { last_seq: self.head().seq + 1, by }.into()
    }

    /// At the hub: what a lone node's stock of each sku becomes at its enrolment. Where the store has a count, a
    /// positive opening counts as included and mints nothing (`model.md` §4).
    pub fn openings(&self, lone: &Replica, successor: Incarnation) -> Vec<StockOpened> {
        let open = |sku: &Sku| {
            let picture = lone.picture(sku);
            let rights = u64::try_from(lone.rights_of(sku, &lone.me()).max(0)).unwrap_or(u64::MAX);
            let counted = self.state().items.get(sku).is_some_and(|item| !item.counts.is_empty());
            let on_hand = i64::try_from(picture.on_hand).unwrap_or(i64::MAX);
            StockOpened {
                lone: lone.me(),
                sku: sku.clone(),
                on_hand,
                minted: if counted && on_hand > 0 { 0 } else { rights },
                successor,
                overdraw: lone.overdraw_of(sku, &lone.me()),
            }
        };
        lone.state().items.keys().map(open).collect()
    }
}
