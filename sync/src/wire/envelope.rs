//! The envelope's part: clocks as differences, the rest as "like the one before".

use super::UnpackError;
use super::columns::{Columns, Reader};
use crate::body::Day;
use crate::clock::{Hlc, Tau, UtcMs};
use crate::event::{ENVELOPE_FORMAT, Envelope};
use crate::ids::{Hash, Incarnation};
use std::collections::BTreeMap;
use tradepost_commerce::document::{CatalogVersion, Rules, StaffId};

const HLC: u8 = 1;
const TAU: u8 = 2;
const TRADING: u8 = 4;
const TILL: u8 = 8;
const SHIFT: u8 = 16;
const STAFF: u8 = 32;
const EXTRAS: u8 = 64;

/// What both sides remember of the events before, within one payload.
pub(super) struct Memory {
    pub(super) at: CatalogVersion,
    pub(super) catalog: CatalogVersion,
    pub(super) rules: Option<Rules>,
    pub(super) day: Day,
    pub(super) receipts: BTreeMap<(String, String), u64>,
    wall: UtcMs,
    hlc: Hlc,
    tau: Option<Tau>,
    trading: UtcMs,
    till: Option<String>,
    shift: Option<u32>,
    staff: Option<StaffId>,
}

impl Memory {
    pub(super) fn new(at: CatalogVersion) -> Self {
        Self {
            at,
            catalog: at,
            rules: None,
            day: Day(0),
            receipts: BTreeMap::new(),
            wall: 0,
            hlc: Hlc(0),
            tau: None,
            trading: 0,
            till: None,
            shift: None,
            staff: None,
        }
    }

    pub(super) fn remember(&mut self, envelope: &Envelope) {
        self.wall = envelope.wall;
        self.hlc = envelope.hlc;
        self.tau = envelope.tau;
        self.trading = envelope.trading;
        self.till.clone_from(&envelope.till);
        self.shift = envelope.shift;
        self.staff.clone_from(&envelope.staff);
    }

    /// Hub time and trading time run like the wall.
    fn tau_at(&self, wall: UtcMs) -> Option<Tau> {
        self.tau.map(|tau| Tau { ms: tau.ms.wrapping_add(wall.wrapping_sub(self.wall)), ..tau })
    }

    fn trading_at(&self, wall: UtcMs) -> UtcMs {
        self.trading.wrapping_add(wall.wrapping_sub(self.wall))
    }
}

pub(super) fn write(envelope: &Envelope, columns: &mut Columns, memory: &Memory) {
    let wall = envelope.wall;
    let as_foreseen = [
        (HLC, envelope.hlc == memory.hlc.tick(wall)),
        (TAU, envelope.tau == memory.tau_at(wall)),
        (TRADING, envelope.trading == memory.trading_at(wall)),
        (TILL, envelope.till == memory.till),
        (SHIFT, envelope.shift == memory.shift),
        (STAFF, envelope.staff == memory.staff),
        (EXTRAS, envelope.cells.is_none() && envelope.journal.is_none() && envelope.reissue.is_none()),
    ];
    let flags = as_foreseen.iter().filter(|(_, foreseen)| *foreseen).fold(0, |flags, (bit, _)| flags | bit);
    columns.flags.byte(flags);
    columns.time.int(wall.wrapping_sub(memory.wall));
    if !as_foreseen[0].1 {
        columns.literals.value(&envelope.hlc);
    }
    if !as_foreseen[1].1 {
        write_tau(envelope.tau, memory.tau_at(wall), columns);
    }
    if !as_foreseen[2].1 {
        columns.time.int(envelope.trading.wrapping_sub(wall));
    }
    if !as_foreseen[3].1 {
        columns.literals.value(&envelope.till);
    }
    if !as_foreseen[4].1 {
        columns.literals.value(&envelope.shift);
    }
    if !as_foreseen[5].1 {
        columns.literals.value(&envelope.staff);
    }
    if !as_foreseen[6].1 {
        columns.literals.value(&(&envelope.cells, &envelope.journal, &envelope.reissue));
    }
}

/// Hub time: 0 for none, 1 with the difference to what was foreseen, 2 in full.
fn write_tau(tau: Option<Tau>, foreseen: Option<Tau>, columns: &mut Columns) {
    let Some(tau) = tau else { return columns.time.uint(0) };
    if let Some(base) = foreseen.filter(|base| (base.epoch, base.age) == (tau.epoch, tau.age)) {
        columns.time.uint(1);
        return columns.time.int(tau.ms.wrapping_sub(base.ms));
    }
    columns.time.uint(2);
    columns.time.uint(u64::from(tau.epoch));
    columns.time.uint(u64::from(tau.age));
    columns.time.int(tau.ms);
}

fn read_tau(foreseen: Option<Tau>, reader: &mut Reader<'_>) -> Result<Option<Tau>, UnpackError> {
    match (reader.time.uint()?, foreseen) {
        (0, _) => Ok(None),
        (1, Some(base)) => {
            let ms = base.ms.wrapping_add(reader.time.int()?);
            Ok(Some(Tau { ms, ..base }))
        }
        (2, _) => {
            let epoch = u32::try_from(reader.time.uint()?).map_err(|_| UnpackError::Malformed("hub time"))?;
            let age = reader.time.small()?;
            Ok(Some(Tau { epoch, ms: reader.time.int()?, age }))
        }
        _ => Err(UnpackError::Malformed("hub time")),
    }
}

/// The envelope without its kind and body.
pub(super) fn read(
    incarnation: Incarnation,
    seq: u64,
    prev_hash: Hash,
    reader: &mut Reader<'_>,
    memory: &Memory,
) -> Result<Envelope, UnpackError> {
    let flags = reader.flags.byte()?;
    let foreseen = |bit: u8| flags & bit != 0;
    let wall = memory.wall.wrapping_add(reader.time.int()?);
    let hlc = if foreseen(HLC) { memory.hlc.tick(wall) } else { reader.literals.value()? };
    let tau = if foreseen(TAU) { memory.tau_at(wall) } else { read_tau(memory.tau_at(wall), reader)? };
    let trading =
        if foreseen(TRADING) { memory.trading_at(wall) } else { wall.wrapping_add(reader.time.int()?) };
    let till = if foreseen(TILL) { memory.till.clone() } else { reader.literals.value()? };
    let shift = if foreseen(SHIFT) { memory.shift } else { reader.literals.value()? };
    let staff = if foreseen(STAFF) { memory.staff.clone() } else { reader.literals.value()? };
    let (cells, journal, reissue) =
        if foreseen(EXTRAS) { (None, None, None) } else { reader.literals.value()? };
    Ok(Envelope {
        format: ENVELOPE_FORMAT,
        incarnation,
        seq,
        prev_hash,
        hlc,
        wall,
        tau,
        trading,
        till,
        shift,
        staff,
        kind: 0,
        version: 0,
        cells,
        journal,
        reissue,
        body: Vec::new(),
    })
}
