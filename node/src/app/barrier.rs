//! A barrier at a member: once the logs stand still it says what it holds, stores where they end, and acks only what is
//! durable (`model.md` §3.5).

use super::frozen;
use super::node::Node;
use super::problem::Answer;
use crate::db::incarnations::{self, Known};
use crate::db::{Fault, events};
use tradepost_sync::body::CutHead;
use tradepost_sync::event::hash_of;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::session::BarrierWord;

/// What this member says to a word of the hub's, once the group it is asked in is durable; none where it has nothing to
/// say yet, and the hub will ask again.
///
/// # Errors
/// A fault.
pub fn hear(node: &mut Node, word: &BarrierWord) -> Answer<Option<BarrierWord>> {
    Ok(match word {
        BarrierWord::Ask { barrier } => reply(node, *barrier)?,
        BarrierWord::Proposal { barrier, caps } => propose(node, *barrier, caps)?,
        BarrierWord::Reply { .. } | BarrierWord::Ack { .. } => None,
    })
}

/// The hub's stream freezes, and this only answers: a question that a neighbour's relay has overtaken freezes nothing
/// for good.
fn reply(node: &Node, barrier: Id) -> Result<Option<BarrierWord>, Fault> {
    if frozen::load(node.conn())?.barrier != Some(barrier) {
        return Ok(None);
    }
    let held = incarnations::all(node.conn())?.into_iter().filter(|k| k.no != node.me.no && k.head.seq > 0);
    let mut heads: Vec<HeadMark> = held.map(|known| known.mark()).collect();
    if node.head.seq > 0 {
        heads.push(node.mark());
    }
    Ok(Some(BarrierWord::Reply { barrier, heads }))
}

fn propose(node: &mut Node, barrier: Id, caps: &[HeadMark]) -> Result<Option<BarrierWord>, Fault> {
    let mut standing = frozen::load(node.conn())?;
    if standing.barrier != Some(barrier) {
        return Ok(None);
    }
    if standing.caps.is_none() {
        let caps: Vec<CutHead> = caps.iter().map(cut).collect();
        standing.propose(barrier, &caps);
        frozen::store(node, &standing)?;
    }
    let known = incarnations::all(node.conn())?;
    let find = |i: &Incarnation| known.iter().find(|known| known.id() == *i);
    let held = |i: &Incarnation| find(i).map_or(0, |known| known.head.seq);
    let hash_at = |i: &Incarnation, seq: u64| find(i).and_then(|known| hash(node, known, seq));
    match standing.may_ack(hash_at, held) {
        Ok(()) => Ok(Some(BarrierWord::Ack { barrier })),
        Err(why) => {
            tracing::info!(%barrier, %why, "the caps of a barrier are not held yet");
            Ok(None)
        }
    }
}

fn hash(node: &Node, known: &Known, seq: u64) -> Option<Hash> {
    if seq == known.head.seq {
        return Some(known.head.hash);
    }
    events::bytes(node.conn(), events::place(known.no, seq)).ok().flatten().map(|bytes| hash_of(&bytes))
}

fn cut(head: &HeadMark) -> CutHead {
    CutHead { incarnation: head.incarnation, seq: head.seq, hash: head.hash }
}
