//! Frames to messages and back. Payloads are compressed here and nowhere else.

use crate::common::v1 as common;
use crate::lease::{ask_in, ask_out, lease_in, lease_out};
use crate::records::{records_in, records_out};
use crate::shared::{burn_in, burn_out, custody_in, custody_out};
use crate::sync::v1 as wire;
use prost::Message as _;
use tradepost_commerce::document::{CatalogVersion, Sku};
use tradepost_sync::catalog::SealedEntry;
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::limits::FRAME_BYTES_MAX;
use tradepost_sync::session::{Acquire, BarrierWord, Batch, Carts, Encoding, Hello, Message, Refusal};
use wire::frame::Message as Said;

/// Speed over size: a batch's columns do most of the work.
const ZSTD_LEVEL: i32 = 6;
/// An item's code in a request for rights.
const SKU_BYTES_MAX: usize = 512;

/// Why a frame says nothing that can be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// A message of a later program, or none.
    #[error("the frame holds no known message")]
    Empty,
    /// A field has the wrong length or value.
    #[error("the field {0} is malformed")]
    Field(&'static str),
    /// A payload that grows beyond what a frame may hold.
    #[error("the payload is longer than a frame may be")]
    TooLong,
}

/// A frame's bytes, for a link that frames them itself.
#[must_use]
pub fn frame_bytes(frame: &wire::Frame) -> Vec<u8> {
    frame.encode_to_vec()
}

/// The frame that these bytes are.
///
/// # Errors
/// [`BadFrame::Empty`] where they are none.
pub fn frame_of(bytes: &[u8]) -> Result<wire::Frame, BadFrame> {
    wire::Frame::decode(bytes).map_err(|_| BadFrame::Empty)
}

/// A message as a frame.
#[must_use]
pub fn to_frame(message: &Message) -> wire::Frame {
    wire::Frame { message: Some(said(message)) }
}

fn said(message: &Message) -> Said {
    match message {
        Message::Greeting { protocol, protocol_min, nonce } => Said::Greeting(wire::Greeting {
            protocol: *protocol,
            protocol_min: *protocol_min,
            nonce: nonce.to_vec(),
        }),
        Message::Hello(hello) => Said::Hello(wire::Hello {
            incarnation: hello.incarnation.0.to_vec(),
            signature: hello.signature.to_vec(),
            digest: hello.digest.0.to_vec(),
            own_head: hello.own_head.as_ref().map(head_out),
            wall_ms: hello.wall,
            hub_time: hello.tau.map(tau_out),
            catalog: Some(catalog_out(hello.catalog)),
            program: hello.program.clone(),
        }),
        Message::Frontier(heads) => {
            Said::Frontier(wire::Frontier { heads: heads.iter().map(head_out).collect() })
        }
        Message::Batch(batch) => Said::Batch(batch_out(batch)),
        Message::Ack(heads) => Said::Ack(wire::Ack { heads: heads.iter().map(head_out).collect() }),
        Message::NeedFrom { incarnation, from } => {
            Said::NeedFrom(wire::NeedFrom { incarnation: incarnation.0.to_vec(), from_seq: *from })
        }
        Message::NeedRaw { incarnation, from, to } => {
            Said::NeedRaw(wire::NeedRaw { incarnation: incarnation.0.to_vec(), from_seq: *from, to_seq: *to })
        }
        Message::Catalog(entries) => {
            Said::Catalog(wire::Catalog { entries: entries.iter().map(entry_out).collect() })
        }
        Message::CatalogAck(at) => Said::CatalogAck(wire::CatalogAck { at: Some(catalog_out(*at)) }),
        Message::Heartbeat { tau } => Said::Heartbeat(wire::Heartbeat { hub_time: tau.map(tau_out) }),
        Message::Refuse(refusal) => Said::Refuse(wire::Refuse { reason: refusal_out(*refusal).into() }),
        Message::Acquire(Acquire { ask, sku, at_least }) => {
            Said::Acquire(wire::Acquire { ask: *ask, sku: sku.0.clone(), at_least: *at_least })
        }
        Message::Acquired { ask, through } => {
            Said::Acquired(wire::Acquired { ask: *ask, through_seq: *through })
        }
        Message::Declined(incarnation) => {
            Said::Declined(wire::Declined { incarnation: incarnation.0.to_vec() })
        }
        Message::Barrier(word) => barrier_out(word),
        Message::Carts(carts) => {
            Said::CartState(wire::CartState { through: carts.through, carts: carts.carts.clone() })
        }
        Message::CartsAck(through) => Said::CartStateAck(wire::CartStateAck { through: *through }),
        Message::CustodyAsk(wanted) => Said::CustodyAsk(custody_out(wanted)),
        Message::CutAsk(ask) => Said::CutAsk(wire::CutAsk { ask: *ask }),
        Message::Cut { ask, heads } => {
            Said::Cut(wire::Cut { ask: *ask, heads: heads.iter().map(head_out).collect() })
        }
        Message::Burn(ask) => Said::BurnAsk(burn_out(ask)),
        Message::Records(records) => Said::Records(records_out(records)),
        Message::RecordsAck(through) => Said::RecordsAck(wire::RecordsAck { through: *through }),
        Message::Aside(seqs) => Said::Aside(wire::Aside { seqs: seqs.clone() }),
        Message::LeaseAsk(ask) => Said::LeaseAsk(ask_out(ask)),
        Message::Lease(sealed) => Said::Lease(lease_out(sealed)),
    }
}

/// A frame as a message.
///
/// # Errors
/// [`BadFrame`] names the field.
pub fn from_frame(frame: wire::Frame) -> Result<Message, BadFrame> {
    match frame.message.ok_or(BadFrame::Empty)? {
        Said::Greeting(g) => Ok(Message::Greeting {
            protocol: g.protocol,
            protocol_min: g.protocol_min,
            nonce: fixed(&g.nonce, "nonce")?,
        }),
        Said::Hello(hello) => hello_in(hello).map(Message::Hello),
        Said::Frontier(frontier) => heads_in(&frontier.heads).map(Message::Frontier),
        Said::Batch(batch) => batch_in(batch).map(Message::Batch),
        Said::Ack(ack) => heads_in(&ack.heads).map(Message::Ack),
        Said::NeedFrom(need) => {
            Ok(Message::NeedFrom { incarnation: incarnation(&need.incarnation)?, from: need.from_seq })
        }
        Said::NeedRaw(need) => Ok(Message::NeedRaw {
            incarnation: incarnation(&need.incarnation)?,
            from: need.from_seq,
            to: need.to_seq,
        }),
        Said::Catalog(catalog) => {
            catalog.entries.into_iter().map(entry_in).collect::<Result<_, _>>().map(Message::Catalog)
        }
        Said::CatalogAck(ack) => Ok(Message::CatalogAck(catalog_in(ack.at))),
        Said::Heartbeat(beat) => Ok(Message::Heartbeat { tau: beat.hub_time.map(tau_in) }),
        Said::Refuse(refuse) => Ok(Message::Refuse(refusal_in(refuse.reason())?)),
        Said::Acquire(wire::Acquire { ask, sku, at_least }) => {
            Ok(Message::Acquire(Acquire { ask, sku: sku_in(sku)?, at_least }))
        }
        Said::Acquired(answer) => Ok(Message::Acquired { ask: answer.ask, through: answer.through_seq }),
        Said::Declined(declined) => incarnation(&declined.incarnation).map(Message::Declined),
        Said::CartState(state) => {
            let carts = Carts { through: state.through, carts: state.carts };
            Ok(Message::Carts(carts))
        }
        Said::CartStateAck(ack) => Ok(Message::CartsAck(ack.through)),
        Said::CustodyAsk(wanted) => custody_in(&wanted).map(Message::CustodyAsk),
        Said::CutAsk(asked) => Ok(Message::CutAsk(asked.ask)),
        Said::Cut(cut) => Ok(Message::Cut { ask: cut.ask, heads: heads_in(&cut.heads)? }),
        Said::BurnAsk(asked) => burn_in(asked).map(Message::Burn),
        Said::Records(records) => records_in(records).map(Message::Records),
        Said::RecordsAck(ack) => Ok(Message::RecordsAck(ack.through)),
        Said::Aside(aside) => Ok(Message::Aside(aside.seqs)),
        Said::LeaseAsk(ask) => ask_in(&ask).map(Message::LeaseAsk),
        Said::Lease(lease) => lease_in(&lease).map(Message::Lease),
        word @ (Said::BarrierAsk(_) | Said::BarrierReply(_) | Said::CapProposal(_) | Said::CapAck(_)) => {
            barrier_in(word).map(Message::Barrier)
        }
    }
}

/// The hub's names for items it doesn't know are longer than a catalog's codes.
pub(crate) fn sku_in(sku: String) -> Result<Sku, BadFrame> {
    if sku.is_empty() || sku.len() > SKU_BYTES_MAX { Err(BadFrame::Field("sku")) } else { Ok(Sku(sku)) }
}

fn barrier_out(word: &BarrierWord) -> Said {
    match word {
        BarrierWord::Ask { barrier } => Said::BarrierAsk(wire::BarrierAsk { barrier: barrier.0.to_vec() }),
        BarrierWord::Reply { barrier, heads } => {
            let heads = heads.iter().map(head_out).collect();
            Said::BarrierReply(wire::BarrierReply { barrier: barrier.0.to_vec(), heads })
        }
        BarrierWord::Proposal { barrier, caps } => {
            let caps = caps.iter().map(head_out).collect();
            Said::CapProposal(wire::CapProposal { barrier: barrier.0.to_vec(), caps })
        }
        BarrierWord::Ack { barrier } => Said::CapAck(wire::CapAck { barrier: barrier.0.to_vec() }),
    }
}

fn barrier_in(word: Said) -> Result<BarrierWord, BadFrame> {
    let id = |bytes: &[u8]| fixed(bytes, "barrier").map(Id);
    match word {
        Said::BarrierAsk(ask) => Ok(BarrierWord::Ask { barrier: id(&ask.barrier)? }),
        Said::BarrierReply(reply) => {
            Ok(BarrierWord::Reply { barrier: id(&reply.barrier)?, heads: heads_in(&reply.heads)? })
        }
        Said::CapProposal(proposal) => {
            Ok(BarrierWord::Proposal { barrier: id(&proposal.barrier)?, caps: heads_in(&proposal.caps)? })
        }
        Said::CapAck(ack) => Ok(BarrierWord::Ack { barrier: id(&ack.barrier)? }),
        _ => Err(BadFrame::Empty),
    }
}

fn hello_in(hello: wire::Hello) -> Result<Hello, BadFrame> {
    Ok(Hello {
        incarnation: incarnation(&hello.incarnation)?,
        signature: fixed(&hello.signature, "signature")?,
        digest: Hash(fixed(&hello.digest, "digest")?),
        own_head: hello.own_head.as_ref().map(head_in).transpose()?,
        wall: hello.wall_ms,
        tau: hello.hub_time.map(tau_in),
        catalog: catalog_in(hello.catalog),
        program: hello.program,
    })
}

fn batch_out(batch: &Batch) -> wire::Batch {
    let length = u32::try_from(batch.payload.len()).unwrap_or(u32::MAX);
    let payload = zstd::bulk::compress(&batch.payload, ZSTD_LEVEL).unwrap_or_default();
    let encoding = match batch.encoding {
        Encoding::Raw => wire::BatchEncoding::Raw,
        Encoding::Compact => wire::BatchEncoding::Compact,
    };
    wire::Batch {
        incarnation: batch.incarnation.0.to_vec(),
        from_seq: batch.from,
        count: batch.count,
        end_hash: batch.end_hash.0.to_vec(),
        signature: batch.signature.to_vec(),
        encoding: encoding.into(),
        catalog: Some(catalog_out(batch.catalog)),
        payload: payload.into(),
        payload_length: length,
    }
}

fn batch_in(batch: wire::Batch) -> Result<Batch, BadFrame> {
    let encoding = match batch.encoding() {
        wire::BatchEncoding::Raw => Encoding::Raw,
        wire::BatchEncoding::Compact => Encoding::Compact,
        wire::BatchEncoding::Unspecified => return Err(BadFrame::Field("encoding")),
    };
    let length = usize::try_from(batch.payload_length).map_err(|_| BadFrame::TooLong)?;
    if length > FRAME_BYTES_MAX {
        return Err(BadFrame::TooLong);
    }
    let payload = zstd::bulk::decompress(&batch.payload, length).map_err(|_| BadFrame::Field("payload"))?;
    if payload.len() != length {
        return Err(BadFrame::Field("payload_length"));
    }
    Ok(Batch {
        incarnation: incarnation(&batch.incarnation)?,
        from: batch.from_seq,
        count: batch.count,
        end_hash: Hash(fixed(&batch.end_hash, "end_hash")?),
        signature: fixed(&batch.signature, "signature")?,
        encoding,
        catalog: catalog_in(batch.catalog),
        payload,
    })
}

fn entry_out(entry: &SealedEntry) -> wire::CatalogEntry {
    wire::CatalogEntry {
        at: Some(catalog_out(entry.at)),
        bytes: entry.bytes.clone(),
        signature: entry.signature.to_vec(),
    }
}

fn entry_in(entry: wire::CatalogEntry) -> Result<SealedEntry, BadFrame> {
    let signature = fixed(&entry.signature, "signature")?;
    Ok(SealedEntry { at: catalog_in(entry.at), bytes: entry.bytes, signature })
}

/// A head as the wire writes it.
#[must_use]
pub fn head_out(head: &HeadMark) -> common::Head {
    common::Head { incarnation: head.incarnation.0.to_vec(), seq: head.seq, hash: head.hash.0.to_vec() }
}

/// A head from the wire.
///
/// # Errors
/// [`BadFrame::Field`].
pub fn head_in(head: &common::Head) -> Result<HeadMark, BadFrame> {
    let hash = Hash(fixed(&head.hash, "hash")?);
    Ok(HeadMark { incarnation: incarnation(&head.incarnation)?, seq: head.seq, hash })
}

fn heads_in(heads: &[common::Head]) -> Result<Vec<HeadMark>, BadFrame> {
    heads.iter().map(head_in).collect()
}

fn catalog_out(at: CatalogVersion) -> common::CatalogVersion {
    common::CatalogVersion { epoch: at.epoch, version: at.version }
}

fn catalog_in(at: Option<common::CatalogVersion>) -> CatalogVersion {
    at.map_or_else(CatalogVersion::default, |at| CatalogVersion { epoch: at.epoch, version: at.version })
}

/// Hub time as the wire writes it.
#[must_use]
pub fn tau_out(tau: Tau) -> common::HubTime {
    common::HubTime { epoch: tau.epoch, ms: tau.ms, age: u32::from(tau.age) }
}

/// Hub time from the wire.
#[must_use]
pub fn tau_in(tau: common::HubTime) -> Tau {
    Tau { age: u16::try_from(tau.age).unwrap_or(u16::MAX), ..Tau::told(tau.epoch, tau.ms) }
}

/// An incarnation from the wire.
///
/// # Errors
/// [`BadFrame::Field`].
pub fn incarnation(bytes: &[u8]) -> Result<Incarnation, BadFrame> {
    fixed(bytes, "incarnation").map(Incarnation)
}

/// Bytes of a fixed length.
///
/// # Errors
/// [`BadFrame::Field`] with the field's name.
pub fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], BadFrame> {
    bytes.try_into().map_err(|_| BadFrame::Field(field))
}

fn refusal_out(refusal: Refusal) -> wire::RefuseReason {
    match refusal {
        Refusal::Protocol => wire::RefuseReason::Protocol,
        Refusal::Unknown => wire::RefuseReason::Unknown,
        Refusal::Signature => wire::RefuseReason::Signature,
        Refusal::Fenced => wire::RefuseReason::Fenced,
        Refusal::Fork => wire::RefuseReason::Fork,
        Refusal::Amnesia => wire::RefuseReason::Amnesia,
        Refusal::Busy => wire::RefuseReason::Busy,
        Refusal::Nonsense => wire::RefuseReason::Nonsense,
    }
}

fn refusal_in(reason: wire::RefuseReason) -> Result<Refusal, BadFrame> {
    Ok(match reason {
        wire::RefuseReason::Protocol => Refusal::Protocol,
        wire::RefuseReason::Unknown => Refusal::Unknown,
        wire::RefuseReason::Signature => Refusal::Signature,
        wire::RefuseReason::Fenced => Refusal::Fenced,
        wire::RefuseReason::Fork => Refusal::Fork,
        wire::RefuseReason::Amnesia => Refusal::Amnesia,
        wire::RefuseReason::Busy => Refusal::Busy,
        wire::RefuseReason::Nonsense => Refusal::Nonsense,
        wire::RefuseReason::Unspecified => return Err(BadFrame::Field("reason")),
    })
}
