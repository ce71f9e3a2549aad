//! The lease: what a node may do while it is out of the hub's reach, and for how long (`model.md` §3.1).
//!
//! The hub signs a token that answers the node's own nonce; it runs from the boot-clock reading at which the node
//! asked, so whoever carries the token can't make it longer. It covers strict selling, giving and custody.

use crate::clock::{Tau, UtcMs};
use crate::ids::Incarnation;
use crate::signing::{BadSignature, Device, DeviceKey, SignatureBytes, verify_message};
use crate::terms::Place;
use serde::{Deserialize, Serialize};

/// Three days.
pub const LEASE_MS_DEFAULT: i64 = 72 * 3_600_000;
/// A cart that was tendered within the lease may still be committed for this long.
pub const GRACE_MS: i64 = 5 * 60 * 1000;
/// Least allowance for clocks that part.
const DRIFT_MS_MIN: i64 = 10 * 60 * 1000;
const TAG: &[u8] = b"tradepost lease v1";

/// How often a lease is asked for anew where it could be short (tests, a nervous chain), and where it is long.
const RENEWED_MS: (i64, i64) = (500, 3_600_000);

/// How long after an ask the next one is made while a session with the hub lives: each hour with the default length,
/// and always three times within a lease.
pub fn renew_after_ms(length_ms: i64) -> i64 {
    (length_ms / 72).clamp(RENEWED_MS.0, RENEWED_MS.1).min(length_ms / 3).max(1)
}

/// How far wall and boot clock may part during a lease, and what the hub waits on top of it before anything is
/// reclaimed: 5 min + max(10 min, 500 ppm of the length).
pub fn margin_ms(length_ms: i64) -> i64 {
    GRACE_MS + DRIFT_MS_MIN.max(length_ms / 2_000)
}

/// What the hub signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Who may.
    pub incarnation: Incarnation,
    /// The nonce that it asked with: the token answers this ask and no other.
    pub nonce: [u8; 32],
    /// When the hub gave it; the hub's own wait counts from here.
    pub issued: Tau,
    /// How long it runs from the asking, in milliseconds.
    pub length_ms: i64,
}

impl Lease {
    /// What is signed: tag, incarnation, nonce, epoch, hub time and length, little-endian.
    fn message(&self) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            TAG,
            &self.incarnation.0,
            &self.nonce,
            &self.issued.epoch.to_le_bytes(),
            &self.issued.ms.to_le_bytes(),
            &self.length_ms.to_le_bytes(),
        ];
        parts.concat()
    }

    /// The hub's signature.
    pub fn sign(&self, hub: &Device) -> SignatureBytes {
        hub.sign_message(&self.message())
    }

    /// Checks that the hub gave it.
    ///
    /// # Errors
    /// [`BadSignature`] where it didn't.
    pub fn verify(&self, hub: &DeviceKey, signature: &SignatureBytes) -> Result<(), BadSignature> {
        verify_message(hub, &self.message(), signature)
    }
}

/// What a node says to get a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseAsk {
    /// Who asks; a peer that carries the ask isn't it.
    pub incarnation: Incarnation,
    /// To be answered.
    pub nonce: [u8; 32],
}

/// A lease with the hub's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedLease {
    /// What was signed.
    pub lease: Lease,
    /// By the hub's device key.
    pub signature: SignatureBytes,
}

impl SealedLease {
    /// Signs a lease.
    pub fn seal(lease: Lease, hub: &Device) -> Self {
        Self { lease, signature: lease.sign(hub) }
    }
}

/// A node's two clocks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Clocks {
    /// Milliseconds of this boot, suspended time included.
    pub boot: i64,
    /// The wall.
    pub wall: UtcMs,
}

/// An ask that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// Random; said to the hub.
    pub nonce: [u8; 32],
    /// When it was asked: the lease runs from here.
    pub at: Clocks,
}

/// A lease that answered an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// When it was asked for.
    pub asked: Clocks,
    /// How long it runs from then.
    pub length_ms: i64,
}

/// A node's lease within one boot; a new boot begins with nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tenancy {
    /// The node was never enrolled: it is its own hub and has no lease.
    pub alone: bool,
    /// The last ask.
    pub ask: Option<Ask>,
    /// The lease that holds.
    pub held: Option<Held>,
    /// The hub has acknowledged an event written in this boot, so that of two clones the second is a fork.
    pub acknowledged: bool,
}

/// Why what a lease covers is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Locked {
    /// The hub hasn't acknowledged anything of this boot.
    #[error("the hub has acknowledged nothing that was written since the start")]
    NotAcknowledged,
    /// No lease was given in this boot.
    #[error("the hub has given no lease since the start")]
    NoLease,
    /// It has run out.
    #[error("the lease ran out {ago_ms} ms ago")]
    RanOut {
        /// How long ago.
        ago_ms: i64,
    },
    /// Wall and boot clock have parted too far since it was asked for.
    #[error("the clocks parted by {by_ms} ms, more than {margin_ms} ms")]
    Drifted {
        /// By how much.
        by_ms: i64,
        /// How much was allowed.
        margin_ms: i64,
    },
}

/// Why a lease isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// It isn't the hub's.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// It is another incarnation's.
    #[error("the lease is another's")]
    NotMine,
    /// It answers no ask of this boot.
    #[error("the lease answers no ask of this boot")]
    NotAsked,
}

impl Tenancy {
    /// A node that is its own hub.
    pub fn alone() -> Self {
        Self { alone: true, ..Self::default() }
    }

    /// Asks: what is said to the hub, directly or through a peer.
    pub fn ask(&mut self, nonce: [u8; 32], at: Clocks) -> Ask {
        let ask = Ask { nonce, at };
        self.ask = Some(ask);
        ask
    }

    /// Takes a lease, whoever brings it. It runs from the asking, not from its arrival.
    ///
    /// # Errors
    /// [`LeaseRefusal`]; nothing changes then.
    pub fn take(
        &mut self,
        me: &Incarnation,
        lease: &Lease,
        hub: &DeviceKey,
        signature: &SignatureBytes,
    ) -> Result<(), LeaseRefusal> {
        lease.verify(hub, signature)?;
        if lease.incarnation != *me {
            return Err(LeaseRefusal::NotMine);
        }
        let ask = self.ask.filter(|ask| ask.nonce == lease.nonce).ok_or(LeaseRefusal::NotAsked)?;
        self.held = Some(Held { asked: ask.at, length_ms: lease.length_ms });
        Ok(())
    }

    /// The hub acknowledged an event of this boot.
    pub fn acknowledge(&mut self) {
        self.acknowledged = true;
    }

    /// Whether what a lease covers is open now.
    ///
    /// # Errors
    /// [`Locked`], with its numbers.
    pub fn check(&self, now: Clocks) -> Result<(), Locked> {
        if self.alone {
            return Ok(());
        }
        if !self.acknowledged {
            return Err(Locked::NotAcknowledged);
        }
        let held = self.held.ok_or(Locked::NoLease)?;
        let ran = now.boot.saturating_sub(held.asked.boot);
        let margin_ms = margin_ms(held.length_ms);
        let by_ms = now.wall.saturating_sub(held.asked.wall).saturating_sub(ran).saturating_abs();
        if by_ms > margin_ms {
            return Err(Locked::Drifted { by_ms, margin_ms });
        }
        if ran >= held.length_ms {
            return Err(Locked::RanOut { ago_ms: ran - held.length_ms });
        }
        Ok(())
    }

    /// Whether a cart that was tendered at `tendered`, within the lease, may be committed now as if it still ran.
    pub fn covers_tendered(&self, tendered: Clocks, now: Clocks) -> bool {
        self.check(now).is_ok()
            || (self.check(tendered).is_ok() && now.boot.saturating_sub(tendered.boot) <= GRACE_MS)
    }

    /// When it runs out, as a reading of the boot clock.
    pub fn ends_at(&self) -> Option<i64> {
        self.held.map(|held| held.asked.boot.saturating_add(held.length_ms))
    }
}

/// What a node does with goods, rights and custody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// A sale that must be covered by rights.
    SellStrict,
    /// A sale of goods that the customer holds in hand.
    SellInHand,
    /// A sale beyond the rights, allowed by a manager's PIN.
    SellOverride,
    /// Goods come in that it is custodian of, or that nobody announced.
    Receive,
    /// A customer brings goods back.
    TakeBack,
    /// Goods leave for another store.
    Ship,
    /// A correction downward.
    AdjustDown,
    /// A correction upward: minted by nobody but the hub.
    AdjustUp,
    /// A count.
    Count,
    /// Rights given to another.
    Give,
    /// Own overdraw covered by own rights.
    Settle,
    /// Rights given up at the hub's request.
    Burn,
    /// Custody of an object handed on.
    HandCustody,
    /// A reservation handed out, cancelled or expired by its custodian.
    EndReservation,
    /// A refund by right.
    Refund,
    /// A shift opened or closed.
    Shift,
}

/// How far a deed may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leave {
    /// Wholly.
    Whole,
    /// All of it as overdraw, no rights used.
    OverdrawOnly,
    /// All of it as overdraw, and only with a manager's PIN.
    OverdrawWithPin,
    /// As a fact; no rights are minted or burnt.
    FactOnly,
    /// With a manager's PIN, and marked `unverified`.
    Unverified,
    /// A locked store hands a reservation over as a sale in hand that names it.
    AsSaleInHand,
    /// Not at all.
    Refused,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Self; 16] = [
        Self::SellStrict,
        Self::SellInHand,
        Self::SellOverride,
        Self::Receive,
        Self::TakeBack,
        Self::Ship,
        Self::AdjustDown,
        Self::AdjustUp,
        Self::Count,
        Self::Give,
        Self::Settle,
        Self::Burn,
        Self::HandCustody,
        Self::EndReservation,
        Self::Refund,
        Self::Shift,
    ];

    /// What an incarnation may do: by its place in the roster, and whether what a lease covers is locked. An
    /// unregistered one writes facts only, like a locked one; a fenced or retired one writes nothing more about stock
    /// once it knows (what it had sold before is booked as facts wherever it surfaces).
    pub fn leave(self, place: Place, locked: bool) -> Leave {
        match place {
            Place::Fenced | Place::Retired => Leave::Refused,
            Place::Live if !locked => self.unlocked(),
            Place::Live | Place::Unregistered => self.locked(),
        }
    }

    fn unlocked(self) -> Leave {
        if self == Self::AdjustUp { Leave::FactOnly } else { Leave::Whole }
    }

    fn locked(self) -> Leave {
        match self {
            Self::SellStrict | Self::Give | Self::Settle | Self::Burn | Self::HandCustody => Leave::Refused,
            Self::SellInHand | Self::AdjustDown => Leave::OverdrawOnly,
            Self::SellOverride | Self::Ship => Leave::OverdrawWithPin,
            Self::Receive | Self::TakeBack | Self::AdjustUp | Self::Count => Leave::FactOnly,
            Self::EndReservation => Leave::AsSaleInHand,
            Self::Refund => Leave::Unverified,
            Self::Shift => Leave::Whole,
        }
    }
}
