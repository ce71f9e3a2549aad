//! Nodes: who calls, and what is known of each.

use super::{Fault, batches, catalog, hub_time, recovering};
use crate::db::authors::{self, Author, Role, State};
use crate::db::stores;
use crate::hub::Hub;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::frontier::Frontier;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::session::{Caller, Hello, Refusal};

/// Answers who says hello: its key, its store and everything held of its streams. The second is its store.
pub fn identify(hub: &Hub, hello: &Hello) -> Result<Result<(Box<Caller>, i64), Refusal>, Fault> {
    let found = hub.db.read(|tx| Ok::<_, Fault>(authors::find(tx, &hello.incarnation)?))?;
    let Some(author) = found.filter(|author| author.role == Role::Node) else {
        return Ok(Err(Refusal::Unknown));
    };
    if author.state != State::Live {
        return Ok(Err(Refusal::Fenced));
    }
    let own = hub.db.read(|tx| {
        let store = stores::by_no(tx, author.store)?.ok_or_else(|| Fault::internal("no such store"))?;
        authors::by_no(tx, store.hub_author)?.ok_or_else(|| Fault::internal("the store has no H_s"))
    })?;
    let caller = Caller {
        device_key: author.device_key,
        hub_incarnation: own.incarnation,
        frontier: Frontier::from_heads(batches::heads(hub, author.store)?),
        catalog: catalog::head(hub)?.at,
        tau: hub_time(&hub.db)?,
    };
    Ok(Ok((Box::new(caller), author.store)))
}

/// Whether a node that is in session may go on: it is neither fenced nor retired.
pub fn is_member(hub: &Hub, who: &Incarnation) -> Result<bool, Fault> {
    let found = hub.db.read(|tx| Ok::<_, Fault>(authors::find(tx, who)?))?;
    Ok(found.is_none_or(|author| author.state == State::Live))
}

/// Whether a store's `H_s` is still the one that a session speaks for: another goes on once the database was put back.
pub fn speaks_for(hub: &Hub, store: i64, own: &Incarnation) -> Result<bool, Fault> {
    hub.db.read(|tx| {
        let Some(store) = stores::by_no(tx, store)? else { return Ok(false) };
        Ok(authors::by_no(tx, store.hub_author)?.is_some_and(|author| author.incarnation == *own))
    })
}

/// Notes that a node was met and proven. One that knows more of the catalog than this database does puts the hub into
/// recovery ([`recovering::catalog_noticed`]); `luck` is asked for random bits then.
pub fn met(
    hub: &Hub,
    hello: &Hello,
    now: UtcMs,
    luck: impl FnOnce() -> Result<recovering::Luck, Fault>,
) -> Result<(), Fault> {
    if recovering::catalog_noticed(hub, hello.incarnation, hello.catalog, luck)? {
        tracing::warn!(node = %hello.incarnation, "a node holds a catalog that the hub has forgotten");
    }
    hub.write(|tx, _| {
        let Some(author) = authors::find(tx, &hello.incarnation)? else { return Ok(()) };
        recovering::met(tx, &author, hello.catalog, now)?;
        Ok(authors::set_contact(tx, author.no, now, &hello.program, hello.catalog)?)
    })
}

/// A node with its store's code.
#[derive(Clone, Debug)]
pub struct Node {
    /// The store's code.
    pub store: String,
    /// The node.
    pub author: Author,
}

/// Every enrolled node, also those whose stream has ended.
pub fn list(hub: &Hub) -> Result<Vec<Node>, Fault> {
    hub.db.read(|tx| {
        let stores = stores::all(tx)?;
        let code = |no: i64| stores.iter().find(|s| s.no == no).map_or_else(String::new, |s| s.code.clone());
        let nodes = authors::all(tx)?.into_iter().filter(|author| author.role != Role::Hub);
        Ok(nodes.map(|author| Node { store: code(author.store), author }).collect())
    })
}
