//! A machine that lost memory comes back by itself (`model.md` §3, Amnesia): its device key proves which one it is, what
//! it forgot is fenced, and its new incarnation is put into the roster without a new code. A second machine with one key
//! needs a code of its own.

use super::{Code, Fault, fence};
use crate::db::authors::{self, Author, NewAuthor, Role, State};
use crate::db::stores::{self, Store};
use crate::db::{Tx, enrolments, review};
use crate::hub::{After, Hub};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::signing::{DeviceKey, SignatureBytes, verify_rejoin};

/// Who comes back.
#[derive(Clone, Debug)]
pub struct Returning {
    /// Its new incarnation.
    pub incarnation: Incarnation,
    /// The one whose memory it lost.
    pub forgotten: Incarnation,
    /// Others that it wrote with before, as far as it remembers: the hub may never have heard of the last one.
    pub earlier: Vec<Incarnation>,
    /// The enrolled device key.
    pub device_key: DeviceKey,
    /// The key's signature over both and the store's `H_s`.
    pub proof: SignatureBytes,
    /// Name and version of its program.
    pub program: String,
}

/// Takes a new incarnation of an enrolled device into the roster and fences the one it forgot, in one transaction. A
/// repeat does nothing again.
///
/// # Errors
/// `ENROLMENT_REFUSED`: the device was never enrolled here, has retired, was fenced by a person, or its key is on two
/// machines (what it says it forgot was replaced before): then it needs a code, and so does the other machine.
pub fn rejoin(hub: &Hub, who: &Returning, now: UtcMs) -> Result<(), Fault> {
    hub.open()?;
    let refusal = hub.write(|tx, after| decide(tx, after, hub, who, now))?;
    refusal.map_or(Ok(()), |why| Err(Fault::refused(Code::EnrolmentRefused, why)))
}

/// Why not, if so.
fn decide(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    who: &Returning,
    now: UtcMs,
) -> Result<Option<&'static str>, Fault> {
    let Some(found) = last_of(tx, &who.device_key)? else {
        return Ok(Some("this device was never enrolled here"));
    };
    let store = stores::by_no_locked(tx, found.store)?.ok_or_else(|| Fault::internal("no such store"))?;
    // A hub whose own database was put back goes on as another incarnation, and the machine may know only the one before.
    let holds = |own: &Author| {
        let between = (&who.incarnation, &who.forgotten);
        verify_rejoin(&who.device_key, between, &own.incarnation, &who.proof).is_ok()
    };
    let members = authors::of_store(tx, store.no)?;
    if !members.iter().filter(|author| author.role == Role::Hub).any(holds) {
        return Ok(Some("the proof of the device key does not hold"));
    }
    // Read again under the store's lock: a repeat may have been faster.
    let last = last_of(tx, &who.device_key)?.unwrap_or(found);
    if last.incarnation == who.incarnation && last.state == State::Live {
        return Ok(None);
    }
    if authors::find(tx, &who.incarnation)?.is_some() {
        return Ok(Some("this incarnation has ended: enrol the node with a new code"));
    }
    // Of a machine that lost memory twice the hub may know only what it forgot first.
    let its_own = last.incarnation == who.forgotten || who.earlier.contains(&last.incarnation);
    match last.state {
        // A second branch of its stream was found: whoever of its writers comes first goes on, the other is a second
        // machine.
        State::Live | State::Quarantined if its_own => {
            take_in(tx, after, hub, &store, &last, who, now)?;
            Ok(None)
        }
        // A person has said by a code which machine is the right one: what another says later puts it out no more, or two
        // machines with one key would fence each other for ever.
        State::Live if enrolments::by_code(tx, last.incarnation)? => {
            Ok(Some("another machine with this key was enrolled since: enrol this one with a new code"))
        }
        State::Live => {
            two_machines(tx, after, hub, &store, &last, who, now)?;
            Ok(Some("its key is on two machines; both are fenced: enrol the right one with a new code"))
        }
        State::Retired => Ok(Some("the node has retired: enrol it with a new code")),
        State::Fenced | State::Quarantined => Ok(Some("the node was fenced: enrol it with a new code")),
    }
}

/// The incarnation that a device key wrote with last.
fn last_of(tx: &mut Tx<'_>, key: &DeviceKey) -> Result<Option<Author>, Fault> {
    let all = authors::all(tx)?.into_iter();
    Ok(all.filter(|a| a.role == Role::Node && a.device_key == *key).max_by_key(|a| a.no))
}

fn take_in(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    lost: &Author,
    who: &Returning,
    now: UtcMs,
) -> Result<(), Fault> {
    let new = NewAuthor {
        incarnation: who.incarnation,
        store: store.no,
        role: Role::Node,
        device_key: who.device_key,
        name: &lost.name,
        program: &who.program,
        successor: None,
    };
    let successor = authors::insert(tx, &new, now)?;
    authors::set_successor(tx, lost.no, successor)?;
    // The roster that the fence writes names the new one too.
    fence::put_out(tx, after, hub, store, lost, (Some(who.incarnation), None), now)
}

/// Who comes back forgot another memory than the one that the key wrote with last: two machines have one key. The other
/// one is fenced as well, and a person says which is the right one.
fn two_machines(
    tx: &mut Tx<'_>,
    after: &mut After,
    hub: &Hub,
    store: &Store,
    other: &Author,
    who: &Returning,
    now: UtcMs,
) -> Result<(), Fault> {
    let detail = format!(
        "{} says it forgot {}, but the key of {} wrote with {} last: two machines have one key; both are fenced, enrol the \
         right one with a new code",
        who.incarnation, who.forgotten, other.name, other.incarnation
    );
    review::add(tx, store.no, "two_machines", &who.incarnation.to_string(), &detail, now)?;
    fence::put_out(tx, after, hub, store, other, (None, None), now)
}
