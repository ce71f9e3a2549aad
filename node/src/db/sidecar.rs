//! The sidecar: how far this node's log reached, kept outside the database, so that a database put back from a
//! backup shows (`model.md` §3, Amnesia).
//!
//! One preallocated file with two checksummed slots, written in turn: a cut in one write leaves the other whole.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};

const MAGIC: &[u8; 8] = b"TPSIDE01";
const SLOT_BYTES: usize = 128;
const SLOT_SPACING: u64 = 4_096;
const FILE_BYTES: u64 = 2 * SLOT_SPACING;
const SUM_AT: usize = SLOT_BYTES - 32;

/// The open file.
pub struct Sidecar {
    file: File,
    turn: u64,
}

impl Sidecar {
    /// Opens or makes the file; answers the head it last held, `None` where no slot is readable.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> std::io::Result<(Self, Option<HeadMark>)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() < FILE_BYTES {
            // Written, not only sized: a later write must not need space.
            let len = usize::try_from(FILE_BYTES).unwrap_or(SLOT_BYTES);
            file.write_all_at(&vec![0; len], 0)?;
            file.sync_all()?;
            path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
        }
        let slots = [read(&file, 0), read(&file, SLOT_SPACING)];
        let newest = slots.into_iter().flatten().max_by_key(|(turn, _)| *turn);
        let sidecar = Self { file, turn: newest.map_or(0, |(turn, _)| turn) };
        Ok((sidecar, newest.map(|(_, head)| head)))
    }

    /// Notes a head and makes it durable.
    ///
    /// # Errors
    /// What the system says; then nothing may be answered.
    pub fn note(&mut self, head: &HeadMark) -> std::io::Result<()> {
        self.turn += 1;
        let slot = write(self.turn, head);
        self.file.write_all_at(&slot, (self.turn % 2) * SLOT_SPACING)?;
        self.file.sync_data()
    }
}

fn write(turn: u64, head: &HeadMark) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&turn.to_le_bytes());
    slot[16..32].copy_from_slice(&head.incarnation.0);
    slot[32..40].copy_from_slice(&head.seq.to_le_bytes());
    slot[40..72].copy_from_slice(&head.hash.0);
    let sum = blake3::hash(&slot[..SUM_AT]);
    slot[SUM_AT..].copy_from_slice(sum.as_bytes());
    slot
}

fn read(file: &File, at: u64) -> Option<(u64, HeadMark)> {
    let mut slot = [0; SLOT_BYTES];
    file.read_exact_at(&mut slot, at).ok()?;
    let whole = &slot[..8] == MAGIC && blake3::hash(&slot[..SUM_AT]).as_bytes()[..] == slot[SUM_AT..];
    if !whole {
        return None;
    }
    let turn = u64::from_le_bytes(slot[8..16].try_into().ok()?);
    let head = HeadMark {
        incarnation: Incarnation(slot[16..32].try_into().ok()?),
        seq: u64::from_le_bytes(slot[32..40].try_into().ok()?),
        hash: Hash(slot[40..72].try_into().ok()?),
    };
    Some((turn, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64) -> HeadMark {
        HeadMark { incarnation: Incarnation([7; 16]), seq, hash: Hash([9; 32]) }
    }

    #[test]
    fn the_last_whole_slot_counts() {
        let path = std::env::temp_dir().join(format!("tradepost-sidecar-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let (mut sidecar, held) = Sidecar::open(&path).unwrap();
        assert_eq!(held, None, "a new file holds nothing");
        for seq in 1..=5 {
            sidecar.note(&mark(seq)).unwrap();
            assert_eq!(Sidecar::open(&path).unwrap().1, Some(mark(seq)));
        }
        // The fifth write is torn: the fourth still stands.
        sidecar.file.write_all_at(&[0xff; 40], SLOT_SPACING).unwrap();
        let (mut again, held) = Sidecar::open(&path).unwrap();
        assert_eq!(held, Some(mark(4)));
        again.note(&mark(6)).unwrap();
        assert_eq!(Sidecar::open(&path).unwrap().1, Some(mark(6)));
        std::fs::remove_file(&path).unwrap();
    }
}
