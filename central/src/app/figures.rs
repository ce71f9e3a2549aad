//! What the hub's metrics show beside what is counted on the way: how the database stands now (`hub.md`, Operating it).

use super::{Fault, catalog, nodes};
use crate::consumers::Group;
use crate::db::authors::{Role, State};
use crate::db::{consumers, outbox, review};
use crate::hub::Hub;
use crate::stream::Stream;
use tradepost_sync::clock::UtcMs;

/// One node of a store, as far as its link goes.
#[derive(Clone, Debug)]
pub struct NodeFigures {
    /// The store's code.
    pub store: String,
    /// The node's name.
    pub node: String,
    /// Milliseconds since it last said hello or acknowledged something; none where it never did.
    pub silent_ms: Option<i64>,
    /// Catalog versions that it lacks.
    pub behind: u64,
}

/// One group of consumers.
#[derive(Clone, Copy, Debug)]
pub struct GroupFigures {
    /// Which.
    pub group: Group,
    /// Outbox rows that it has not read yet: of the embedded stream, or of a rebuild.
    pub behind: u64,
    /// Records that are tried again.
    pub parked: u64,
    /// Records that a person has to decide on.
    pub dead: u64,
}

/// How the database stands.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Outbox rows that wait to be relayed. Without Kafka nothing waits: the outbox itself is the stream.
    pub outbox_depth: i64,
    /// Outbox rows that were relayed since the hub began.
    pub outbox_relayed: i64,
    /// Open findings, by kind; 0 for kinds that were there.
    pub findings: Vec<(String, i64)>,
    /// Live nodes.
    pub nodes: Vec<NodeFigures>,
    /// Consumers.
    pub groups: Vec<GroupFigures>,
    /// Stores whose node has the newest catalog, and stores whose node hasn't.
    pub rollout: (usize, usize),
}

/// Reads them.
///
/// # Errors
/// [`Fault`] of the database.
pub fn read(hub: &Hub, now: UtcMs) -> Result<Figures, Fault> {
    let rollout = catalog::rollout(hub, now)?;
    let enrolled = rollout.stores.iter().filter(|store| store.delivered.is_some());
    let (of, level) = (enrolled.clone().count(), enrolled.filter(|store| store.behind == 0).count());
    let nodes = nodes::list(hub)?.into_iter().map(|node| (node.store, node.author));
    let nodes = nodes.filter(|(_, author)| (author.role, author.state) == (Role::Node, State::Live));
    let node = |(store, author): (String, crate::db::authors::Author)| {
        let has = Some(author.catalog).filter(|has| has.epoch == rollout.version.epoch);
        NodeFigures {
            store,
            node: author.name,
            silent_ms: author.last_contact.map(|at| now.saturating_sub(at).max(0)),
            behind: rollout.version.version.saturating_sub(has.map_or(0, |has| has.version)),
        }
    };
    let nodes = nodes.map(node).collect();
    let embedded = matches!(hub.stream, Stream::Embedded(_));
    hub.db.read(|tx| {
        let outbox_depth = if embedded { 0 } else { outbox::depth(tx)? };
        let outbox_relayed = if embedded { 0 } else { outbox::relayed_so_far(tx)? };
        let findings = review::open_by_kind(tx)?;
        let aside = consumers::aside(tx)?;
        let mut groups = Vec::new();
        for group in Group::ALL {
            let places = consumers::places(tx, group.name())?;
            let end = |place: &consumers::Place| if embedded { place.last } else { place.replay_to };
            let behind = places.iter().map(|place| end(place).saturating_sub(place.seq)).sum();
            let count = |state: consumers::State| {
                let it = aside.iter().find(|(name, of, _)| name == group.name() && of == state.name());
                it.map_or(0, |(.., count)| *count)
            };
            let (parked, dead) = (count(consumers::State::Parked), count(consumers::State::Dead));
            groups.push(GroupFigures { group, behind, parked, dead });
        }
        let rollout = (level, of - level);
        Ok(Figures { outbox_depth, outbox_relayed, findings, nodes, groups, rollout })
    })
}
