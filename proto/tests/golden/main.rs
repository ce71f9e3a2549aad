//! Frozen bytes: one event of every kind, and one frame of every message. What these files hold can be read by
//! every later program. `scripts/goldens` writes missing ones; a changed one is a broken promise.

mod documents;
mod hub;
mod shift;
mod stock;

use prost::Message as _;
use std::path::PathBuf;
use tradepost_commerce::document::{CatalogVersion, Sku, StaffId};
use tradepost_proto::convert::{from_frame, to_frame};
use tradepost_sync::body::{Body, CustodyObject, CutHead, Kind};
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::catalog::SealedEntry;
use tradepost_sync::clock::Tau;
use tradepost_sync::event::{Event, Head, Stamp};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::lease::{Lease, LeaseAsk, SealedLease};
use tradepost_sync::session::{
    Acquire, BarrierWord, Batch, Carts, CustodyAsk, CustomerRecord, Encoding, Hello, Message, Records,
    Refusal,
};

pub(crate) const NODE: Incarnation = Incarnation([0xa1; 16]);
pub(crate) const OTHER: Incarnation = Incarnation([0xb2; 16]);

pub(crate) fn id(n: u8) -> Id {
    Id([n; 16])
}

pub(crate) fn head(seq: u64) -> CutHead {
    CutHead { incarnation: OTHER, seq, hash: Hash([0xcc; 32]) }
}

fn event(body: &Body) -> Event {
    let stamp = Stamp {
        wall: 1_767_225_600_123,
        tau: Some(Tau { epoch: 2, ms: 1_767_225_600_100, age: 3 }),
        trading: 1_767_225_600_120,
        till: Some("R1".to_owned()),
        shift: Some(7),
        staff: Some(StaffId("s-04".to_owned())),
    };
    Head::empty(NODE).append(stamp, body).expect("the sample seals")
}

fn samples() -> Vec<Body> {
    [documents::samples(), shift::samples(), stock::samples(), hub::samples()].concat()
}

/// Compares with the committed bytes; writes them where blessing is asked for and the file is missing.
fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let missing = !path.exists();
    if missing && std::env::var_os("TRADEPOST_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&path, bytes).expect("the golden file can be written");
    }
    let golden =
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run scripts/goldens", path.display()));
    assert!(golden == bytes, "the frozen bytes of {name} have changed: {golden:02x?} became {bytes:02x?}");
}

#[test]
fn every_kind_has_a_sample() {
    let have: Vec<_> = samples().iter().filter_map(Body::kind).collect();
    let missing: Vec<_> =
        Kind::ALL.iter().filter(|kind| !have.contains(kind)).map(|kind| kind.name()).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
}

#[test]
fn the_bytes_of_every_event_are_frozen() {
    for body in samples() {
        let event = event(&body);
        let kind = event.kind().expect("a known kind");
        check(&format!("event.{}.{}.bin", kind.name(), event.envelope.version), &event.bytes);
        let read = Event::read(&event.bytes).expect("it reads back");
        assert_eq!(read.body().as_ref(), Ok(&body), "{}", kind.name());
    }
}

/// The hash of the one event that shows that hashing itself has not changed.
#[test]
fn the_hash_of_an_event_is_frozen() {
    let hash = event(&samples()[0]).hash;
    check("event.hash.txt", hash.to_string().as_bytes());
}

fn records() -> Records {
    let person = Some("{\"name\":\"Ada\"}".to_owned());
    let known = CustomerRecord { id: id(1), version: 3, person, price_list: "staff".to_owned() };
    let erased = CustomerRecord { id: id(2), version: 4, person: None, price_list: String::new() };
    Records { through: 9, records: vec![known, erased] }
}

fn messages() -> Vec<(&'static str, Message)> {
    let mark = HeadMark { incarnation: NODE, seq: 42, hash: Hash([3; 32]) };
    let catalog = CatalogVersion { epoch: 1, version: 9 };
    let hello = Hello {
        incarnation: NODE,
        signature: [5; 64],
        digest: Hash([6; 32]),
        own_head: Some(mark),
        wall: 1_767_225_600_123,
        tau: Some(Tau::told(2, 7)),
        catalog,
        program: "tradepost-node 0.1.0".to_owned(),
    };
    let batch = Batch {
        incarnation: NODE,
        from: 40,
        count: 3,
        end_hash: Hash([3; 32]),
        signature: [5; 64],
        encoding: Encoding::Compact,
        catalog,
        payload: vec![1, 2, 3, 4],
    };
    let lease = Lease { incarnation: NODE, nonce: [6; 32], issued: Tau::told(2, 7), length_ms: 259_200_000 };
    let lease = SealedLease { lease, signature: [3; 64] };
    let burn = BurnAsk { id: id(7), holder: NODE, sku: Sku("MILK".to_owned()), units: 3 };
    let entry = SealedEntry { at: catalog, bytes: vec![9, 8, 7], signature: [4; 64] };
    vec![
        ("greeting", Message::Greeting { protocol: 1, protocol_min: 1, nonce: [1; 32] }),
        ("hello", Message::Hello(hello)),
        ("frontier", Message::Frontier(vec![mark])),
        ("batch", Message::Batch(batch)),
        ("ack", Message::Ack(vec![mark])),
        ("need_from", Message::NeedFrom { incarnation: NODE, from: 12 }),
        ("need_raw", Message::NeedRaw { incarnation: NODE, from: 12, to: 15 }),
        ("catalog", Message::Catalog(vec![entry])),
        ("catalog_ack", Message::CatalogAck(catalog)),
        ("heartbeat", Message::Heartbeat { tau: Some(Tau::told(2, 7)) }),
        ("refuse", Message::Refuse(Refusal::Amnesia)),
        ("acquire", Message::Acquire(Acquire { ask: 7, sku: Sku("MILK".to_owned()), at_least: 12 })),
        ("acquired", Message::Acquired { ask: 7, through: 42 }),
        ("declined", Message::Declined(OTHER)),
        ("aside", Message::Aside(vec![7, 300])),
        ("barrier_ask", Message::Barrier(BarrierWord::Ask { barrier: id(7) })),
        ("barrier_reply", Message::Barrier(BarrierWord::Reply { barrier: id(7), heads: vec![mark] })),
        ("cap_proposal", Message::Barrier(BarrierWord::Proposal { barrier: id(7), caps: vec![mark] })),
        ("cap_ack", Message::Barrier(BarrierWord::Ack { barrier: id(7) })),
        ("records", Message::Records(records())),
        ("records_ack", Message::RecordsAck(9)),
        ("cart_state", Message::Carts(Carts { through: 8, carts: vec![vec![1, 2], vec![3]] })),
        ("cart_state_ack", Message::CartsAck(8)),
        ("custody_ask", Message::CustodyAsk(CustodyAsk { ask: 7, object: CustodyObject::Cart(id(4)) })),
        ("cut_ask", Message::CutAsk(7)),
        ("cut", Message::Cut { ask: 7, heads: vec![mark] }),
        ("burn_ask", Message::Burn(burn)),
        ("lease_ask", Message::LeaseAsk(LeaseAsk { incarnation: NODE, nonce: [6; 32] })),
        ("lease", Message::Lease(lease)),
    ]
}

#[test]
fn the_frames_are_frozen_and_say_what_was_meant() {
    for (name, message) in messages() {
        let frame = to_frame(&message);
        // A batch's payload is compressed, and a compressor may change; so its frame is read back, not compared.
        if name != "batch" {
            check(&format!("frame.{name}.bin"), &frame.encode_to_vec());
        }
        assert_eq!(from_frame(frame), Ok(message), "{name}");
    }
}
