//! What the sync daemon tells about the link, and what it can be asked; between `net` and whoever shows it.

use crate::app::problem::Answer;
use std::collections::BTreeMap;
use tokio::sync::oneshot;
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::clock::Tau;
use tradepost_sync::ids::Incarnation;

/// The state of the link, as the sync daemon tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Where the link stands.
    pub state: LinkState,
    /// When the hub was last heard of, by the wall clock.
    pub last_contact: Option<i64>,
    /// Why the last attempt ended.
    pub last_error: Option<String>,
    /// The hub takes this node in again only with a code that a person brings; `last_error` says why.
    pub needs_code: bool,
    /// Events of the present incarnation that the hub has set aside without their effects, as it said last.
    pub aside: Vec<u64>,
    /// The hub's address.
    pub address: Option<String>,
    /// Bytes on the wire.
    pub bytes_sent: u64,
    /// Bytes on the wire.
    pub bytes_received: u64,
    /// Wall clock here less hub time, when last told.
    pub clock_skew_ms: i64,
    /// Hub time as it was last told, by the hub or a neighbour, and the boot clock's reading then.
    pub hub_time: Option<(Tau, i64)>,
    /// The catalog's newest version, as far as the hub said.
    pub hub_catalog: CatalogVersion,
    /// The links to the store's other nodes, by their incarnation.
    pub neighbours: BTreeMap<Incarnation, Neighbour>,
}

/// The link to another node of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Where the link stands.
    pub state: LinkState,
    /// When it was last heard of, by the wall clock.
    pub last_contact: Option<i64>,
    /// Why the last conversation ended.
    pub last_error: Option<String>,
    /// It holds this node's own stream up to here.
    pub holds: u64,
}

/// Where the link stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Never enrolled.
    #[default]
    Never,
    /// Level with the hub.
    Online,
    /// Levelling.
    Syncing,
    /// No hub.
    Offline,
}

/// Somebody wants the node enrolled.
pub struct EnrolAsk {
    /// The code.
    pub code: String,
    /// To whom to say what became of it.
    pub reply: oneshot::Sender<Answer<()>>,
}

/// Something to tell those who listen at `/v1/events`.
#[derive(Clone, Debug)]
pub struct Told {
    /// What kind.
    pub name: &'static str,
    /// JSON.
    pub data: String,
}
