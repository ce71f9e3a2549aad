//! What a session and its pump say to each other.

use super::{Acquire, BarrierWord, Batch, Carts, CustodyAsk, Hello, Message, Records, Refusal};
use crate::burn::BurnAsk;
use crate::catalog::SealedEntry;
use crate::clock::{Tau, UtcMs};
use crate::frontier::{Frontier, HeadMark};
use crate::ids::Incarnation;
use crate::lease::{LeaseAsk, SealedLease};
use crate::signing::{Device, DeviceKey};
use tradepost_commerce::document::CatalogVersion;

/// Which side of a conversation this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A store node: it opens the conversation and knows the hub's key.
    Node,
    /// The hub: it learns from the Hello who calls.
    Hub,
    /// A store node that talks to another one of its store; both sides are alike and know each other's key.
    Neighbour,
}

/// What a side brings along.
#[derive(Clone)]
pub struct Local {
    /// Node or hub.
    pub role: Role,
    /// The own incarnation; at the hub it is told with [`Input::Identified`].
    pub incarnation: Incarnation,
    /// The own device key pair.
    pub device: Device,
    /// 32 fresh random bytes.
    pub nonce: [u8; 32],
    /// Everything held of the store's streams.
    pub frontier: Frontier,
    /// The catalog held.
    pub catalog: CatalogVersion,
    /// Wall clock at the start.
    pub wall: UtcMs,
    /// Name and version of the program.
    pub program: String,
    /// The key the other side must sign with; at the hub it is told with [`Input::Identified`].
    pub peer_key: Option<DeviceKey>,
    /// Between neighbours: who of the signed roster bears that key and is neither fenced nor retired. Nobody else gets
    /// in.
    pub members: Vec<Incarnation>,
    /// The store's `H_s`, whose stream goes first: it holds the roster that the others' signatures are checked by. At
    /// the hub it is told with [`Input::Identified`].
    pub roster_of: Option<Incarnation>,
}

/// What the hub knows of a caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The caller's enrolled device key.
    pub device_key: DeviceKey,
    /// The store's `H_s`.
    pub hub_incarnation: Incarnation,
    /// Everything held of the store's streams.
    pub frontier: Frontier,
    /// The catalog's newest version.
    pub catalog: CatalogVersion,
    /// Hub time.
    pub tau: Tau,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is durable; this is the stream's head now.
    Done(HeadMark),
    /// Something before it is missing.
    NeedFrom {
        /// Whose stream.
        incarnation: Incarnation,
        /// First missing seq.
        from: u64,
    },
    /// It couldn't be rebuilt from its compact form.
    NeedRaw {
        /// Whose stream.
        incarnation: Incarnation,
        /// First seq.
        from: u64,
        /// Last seq.
        to: u64,
    },
    /// It contradicts what is held.
    Fork,
    /// Its author isn't known here, or not yet.
    Unknown,
    /// Its signature doesn't hold, or it is malformed.
    Bad,
    /// Not now (the database is busy, the disk is full).
    Later,
}

/// What a pump tells a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The link is up.
    Start,
    /// A message came.
    Message(Message),
    /// Answer to [`Output::Identify`].
    Identified(Result<Box<Caller>, Refusal>),
    /// Answer to [`Output::Read`]; none where nothing could be read now, which is tried again.
    Read(Option<Batch>),
    /// Answer to [`Output::Apply`].
    Applied(Applied),
    /// Between neighbours: ask the other side for rights. Answered by [`Output::Acquired`], unless the session ends.
    Acquire(Acquire),
    /// Answer to [`Output::Give`]: the end of the own stream once it holds what was given; none where nothing is.
    Given {
        /// The request.
        ask: u64,
        /// The end of the own stream.
        head: Option<HeadMark>,
    },
    /// A word about a barrier for the other side: at the node the answer to [`Output::Barrier`], once it is durable; at
    /// the hub whatever this member still owes, said again until it is answered.
    Barrier(BarrierWord),
    /// Answer to [`Output::ReadRecords`]; none where there is nothing, or nothing could be read.
    RecordsRead(Option<Records>),
    /// Answer to [`Output::ApplyRecords`]: their number; none where they can't be stored now.
    RecordsApplied(Option<u64>),
    /// Node and neighbours: ask for a lease. Answered by [`Output::Leased`], or by nothing where none is given.
    AskLease(LeaseAsk),
    /// The hub: these events of the other side's own stream are set aside without their effects.
    Aside(Vec<u64>),
    /// The hub: the other side is to burn these rights; said again until its answers are booked.
    AskToBurn(Vec<BurnAsk>),
    /// Answer to [`Output::GiveLease`], where one is given.
    LeaseGiven(SealedLease),
    /// Answer to [`Output::ReadCarts`]; none where there is nothing, or nothing could be read.
    CartsRead(Option<Carts>),
    /// Answer to [`Output::ApplyCarts`]: their number.
    CartsApplied(u64),
    /// Between neighbours: ask the other side for custody. Answered by [`Output::Acquired`], unless the session ends.
    AskCustody(CustodyAsk),
    /// Between neighbours: ask the other side what it holds. Answered by [`Output::Cut`], unless the session ends.
    AskCut(u64),
    /// Answer to [`Output::ReadCut`].
    CutRead {
        /// The request.
        ask: u64,
        /// Everything that is held here.
        heads: Vec<HeadMark>,
    },
    /// Answer to [`Output::ReadCatalog`]; empty where nothing could be read now, which is tried again.
    CatalogRead(Vec<SealedEntry>),
    /// Answer to [`Output::ApplyCatalog`]: the version held now, also where nothing could be applied.
    CatalogApplied(CatalogVersion),
    /// The own log or catalog has grown.
    Local {
        /// New heads.
        heads: Vec<HeadMark>,
        /// The catalog held.
        catalog: CatalogVersion,
    },
    /// The time asked for by [`Output::WaitUntil`] has come; may come at any time.
    Tick {
        /// Hub time: the hub's own, or between neighbours what is known of it here.
        tau: Option<Tau>,
    },
}

/// What a session asks of a pump, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Put this on the link.
    Send(Message),
    /// Hub: who is this? Answer with [`Input::Identified`].
    Identify(Hello),
    /// Read events from the log. The stretch begins at `from` and must end at a signed head; it may hold fewer
    /// events than asked, and more only where no signed head lies within the limits.
    Read {
        /// Whose stream.
        incarnation: Incarnation,
        /// First seq.
        from: u64,
        /// At most this many events.
        events_max: usize,
        /// At most this many canonical bytes.
        bytes_max: usize,
        /// In canonical bytes, up to exactly this seq or the next signed head, whatever the limits.
        raw_to: Option<u64>,
    },
    /// Apply this in one transaction.
    Apply(Batch),
    /// The other side holds this stream durably up to here.
    Acked(HeadMark),
    /// The hub says which events of the own stream are set aside without their effects.
    Aside(Vec<u64>),
    /// The other side asks for a lease: of the hub, or of a neighbour that may carry the ask there. Answer with
    /// [`Input::LeaseGiven`] if there is one.
    GiveLease(LeaseAsk),
    /// A lease came; whoever brings it, it is the hub's signature that counts.
    Leased(SealedLease),
    /// Between neighbours: the other side asks for custody. Answer with [`Input::Given`].
    HandOver(CustodyAsk),
    /// Between neighbours: read carts that changed after this number of the own side's; at 0 all that are open.
    ReadCarts {
        /// After this one.
        after: u64,
    },
    /// Between neighbours: merge these carts into what is known of them, in one transaction.
    ApplyCarts(Carts),
    /// Between neighbours: what is held here now? Answer with [`Input::CutRead`].
    ReadCut(u64),
    /// Between neighbours: this is held at the other side; nothing where it could not be asked.
    Cut {
        /// The request.
        ask: u64,
        /// Its heads.
        heads: Vec<HeadMark>,
    },
    /// The hub asks for rights to be burnt.
    Burn(BurnAsk),
    /// Hub and neighbours: read catalog entries after this version, as the hub sealed them.
    ReadCatalog {
        /// After this one.
        after: CatalogVersion,
        /// At most this many.
        max: usize,
    },
    /// Node and neighbours: apply these in order.
    ApplyCatalog(Vec<SealedEntry>),
    /// Hub: the node holds the catalog up to here.
    CatalogAcked(CatalogVersion),
    /// The hub said what time it is, or a neighbour what it knows of that.
    HubTime(Tau),
    /// The other side is met and proven; levelling begins.
    Met(Hello),
    /// It seems that I have lost memory. A node fences itself, sends nothing more and comes back as a new incarnation;
    /// a hub was restored (`model.md` §3).
    SelfFence {
        /// Amnesia or a fork.
        why: Refusal,
        /// What the other side holds of the own stream. The log may have grown since the session was last told, and a
        /// neighbour's relay may have been faster: where this is held after all, nothing was lost.
        told: Option<HeadMark>,
    },
    /// Between neighbours: the other side asks for rights. Answer with [`Input::Given`].
    Give(Acquire),
    /// Between neighbours: the other side's own stream holds all it gives up to this seq; 0 where it gives nothing.
    Acquired {
        /// The request.
        ask: u64,
        /// Up to here.
        through: u64,
    },
    /// The other side says this of a barrier.
    Barrier(BarrierWord),
    /// Note that the other side holds customers' records up to `held`, if anything is said; then read what it doesn't
    /// hold yet.
    ReadRecords {
        /// A number of the own side's.
        held: Option<u64>,
    },
    /// Store these customers' records where they replace what is held.
    ApplyRecords(Records),
    /// Call back with [`Input::Tick`] at this time, at the latest.
    WaitUntil(UtcMs),
    /// The session is over.
    Close(Closing),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// This side ended it.
    Refused(Refusal),
    /// The other side ended it.
    PeerRefused(Refusal),
    /// Nothing was heard for too long.
    Silence,
    /// Nothing moved for too long.
    Stalled,
}
