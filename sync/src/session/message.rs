//! What two sessions say to each other (`model.md` §6).

use super::Records;
use crate::body::CustodyObject;
use crate::burn::BurnAsk;
use crate::catalog::SealedEntry;
use crate::clock::{Tau, UtcMs};
use crate::frontier::HeadMark;
use crate::ids::{Hash, Id, Incarnation};
use crate::lease::{LeaseAsk, SealedLease};
use crate::signing::SignatureBytes;
use tradepost_commerce::document::{CatalogVersion, Sku};

/// The protocol this program speaks.
pub const PROTOCOL: u32 = 1;
/// The oldest it still understands.
pub const PROTOCOL_MIN: u32 = 1;

/// How a batch's events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Canonical bytes, one after another.
    Raw,
    /// The lossless compression of [`crate::wire`].
    Compact,
}

/// A gapless stretch of one incarnation's stream that ends at a signed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose stream.
    pub incarnation: Incarnation,
    /// Seq of the first event.
    pub from: u64,
    /// How many.
    pub count: u32,
    /// Hash of the last one.
    pub end_hash: Hash,
    /// The author's device key over the last one's head.
    pub signature: SignatureBytes,
    /// How the payload is written.
    pub encoding: Encoding,
    /// The catalog version that a compact payload was predicted from.
    pub catalog: CatalogVersion,
    /// The events.
    pub payload: Vec<u8>,
}

impl Batch {
    /// Seq of the last event.
    pub fn to(&self) -> u64 {
        self.from.saturating_add(u64::from(self.count).saturating_sub(1))
    }

    /// The head it ends at.
    pub fn end(&self) -> HeadMark {
        HeadMark { incarnation: self.incarnation, seq: self.to(), hash: self.end_hash }
    }
}

/// Who somebody is and how far they are; on every connect, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Who speaks; at the hub, the store's `H_s`.
    pub incarnation: Incarnation,
    /// The device key's answer to the other side's nonce.
    pub signature: SignatureBytes,
    /// Digest of the whole frontier.
    pub digest: Hash,
    /// End of the own stream, where there is one.
    pub own_head: Option<HeadMark>,
    /// The speaker's wall clock.
    pub wall: UtcMs,
    /// Hub time, as far as the speaker knows it.
    pub tau: Option<Tau>,
    /// The catalog the speaker holds.
    pub catalog: CatalogVersion,
    /// Name and version of the program, for people.
    pub program: String,
}

/// Why a side ends a session for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The protocol is too old or too new.
    Protocol,
    /// The incarnation isn't enrolled here.
    Unknown,
    /// The signature doesn't hold.
    Signature,
    /// The incarnation is fenced, retired or quarantined.
    Fenced,
    /// The peer's log and mine disagree about the same seq.
    Fork,
    /// I know more of the peer than it does: it has lost memory.
    Amnesia,
    /// Not now; come again.
    Busy,
    /// The peer said something that makes no sense.
    Nonsense,
}

/// A neighbour asks for rights: `T` from the other side to it shall be at least so much (`model.md` §2). Idempotent: the
/// same words again give nothing again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// Names the request among those of this session.
    pub ask: u64,
    /// The item.
    pub sku: Sku,
    /// Base units that the asker shall have been given in all.
    pub at_least: u64,
}

/// A neighbour asks to be handed a cart or a refund right that the other side holds (`model.md` §5, `facts.md` §4). The
/// answer is [`Message::Acquired`]: the holder's own stream holds its `custody.moved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyAsk {
    /// Names the request among those of this session.
    pub ask: u64,
    /// The object.
    pub object: CustodyObject,
}

/// Some carts of the store as the speaker knows them, packed, and how far it has come with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carts {
    /// A number of the speaker's own, to be said again once they are durable.
    pub through: u64,
    /// Carts, each as [`crate::cart::Cart::pack`] writes it.
    pub carts: Vec<Vec<u8>>,
}

/// A word about a barrier (`model.md` §3.5). The hub asks and proposes, the node replies and acks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarrierWord {
    /// Say what is held, once `barrier.opened` of the hub's stream has frozen the logs that it names.
    Ask {
        /// The barrier.
        barrier: Id,
    },
    /// They stand still; this is held.
    Reply {
        /// The barrier.
        barrier: Id,
        /// Everything that is held.
        heads: Vec<HeadMark>,
    },
    /// Hold these logs up to here, and store that nothing behind it has cells.
    Proposal {
        /// The barrier.
        barrier: Id,
        /// The last position of each log that has cells; at seq 0 nothing of it has.
        caps: Vec<HeadMark>,
    },
    /// That is durable.
    Ack {
        /// The barrier.
        barrier: Id,
    },
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first word: a nonce to be signed.
    Greeting {
        /// The speaker's protocol.
        protocol: u32,
        /// The oldest it understands.
        protocol_min: u32,
        /// To be signed by the other side.
        nonce: [u8; 32],
    },
    /// Who I am.
    Hello(Hello),
    /// My heads, where the digests differ.
    Frontier(Vec<HeadMark>),
    /// Events.
    Batch(Batch),
    /// These heads are applied and durable here.
    Ack(Vec<HeadMark>),
    /// Send this stream again from here.
    NeedFrom {
        /// Whose stream.
        incarnation: Incarnation,
        /// The first seq that is missing.
        from: u64,
    },
    /// Send this stretch in canonical bytes.
    NeedRaw {
        /// Whose stream.
        incarnation: Incarnation,
        /// First seq.
        from: u64,
        /// Last seq.
        to: u64,
    },
    /// Catalog entries, in order.
    Catalog(Vec<SealedEntry>),
    /// The catalog is applied up to here.
    CatalogAck(CatalogVersion),
    /// Alive; with hub time where the hub speaks.
    Heartbeat {
        /// Hub time.
        tau: Option<Tau>,
    },
    /// The end, with its reason.
    Refuse(Refusal),
    /// Between neighbours: rights are asked for.
    Acquire(Acquire),
    /// Between neighbours: the answer. What was given stands in the giver's own stream and counts there alone.
    Acquired {
        /// The request.
        ask: u64,
        /// The giver's own stream holds all it gives, rights or custody, up to this seq; 0 where it gives nothing.
        through: u64,
    },
    /// Of this stream nothing more is taken for now: its author isn't known to the speaker, or it holds another branch.
    Declined(Incarnation),
    /// About a barrier.
    Barrier(BarrierWord),
    /// Between neighbours: carts as they are known to the speaker (`CartState` of `model.md` §6).
    Carts(Carts),
    /// They are durable at the speaker.
    CartsAck(u64),
    /// Between neighbours: custody is asked for.
    CustodyAsk(CustodyAsk),
    /// Between neighbours: what do you hold now? Somebody counts.
    CutAsk(u64),
    /// Between neighbours: that is held at the speaker.
    Cut {
        /// The request.
        ask: u64,
        /// Everything that is held, the own stream included.
        heads: Vec<HeadMark>,
    },
    /// The hub asks a holder to burn rights that have no goods (`model.md` §2). The answer is `rights.burnt`.
    Burn(BurnAsk),
    /// Customers' records, between node and hub.
    Records(Records),
    /// They are durable at the speaker, up to this number of the other side's.
    RecordsAck(u64),
    /// The hub tells a node which events of its own stream are set aside without their effects, by seq (`model.md` §6). A
    /// word for people; the longest list is [`ASIDE_MAX`](crate::limits::ASIDE_MAX).
    Aside(Vec<u64>),
    /// A lease is asked for (`model.md` §3.1), by the speaker or by a neighbour that can't reach the hub.
    LeaseAsk(LeaseAsk),
    /// The lease, as the hub signed it.
    Lease(SealedLease),
}
