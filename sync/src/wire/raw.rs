//! Canonical bytes on the wire: each event's length (4 bytes, little-endian), then the event.

use super::UnpackError;
use crate::event::Event;

/// Writes events as they are.
pub fn pack_raw(events: &[Event]) -> Vec<u8> {
    join(events.iter().map(|event| event.bytes.as_slice()))
}

/// Writes canonical bytes that are at hand already.
pub fn join<'a>(events: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for bytes in events {
        payload.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        payload.extend_from_slice(bytes);
    }
    payload
}

/// Reads events that were written as they are. Their chain is the caller's to check.
///
/// # Errors
/// [`UnpackError::Malformed`].
pub fn unpack_raw(payload: &[u8]) -> Result<Vec<Event>, UnpackError> {
    let mut rest = payload;
    let mut events = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length =
            usize::try_from(u32::from_le_bytes(*length)).map_err(|_| UnpackError::Malformed("length"))?;
        let (bytes, next) = after.split_at_checked(length).ok_or(UnpackError::Malformed("event cut off"))?;
        events.push(Event::read(bytes).map_err(|_| UnpackError::Malformed("event"))?);
        rest = next;
    }
    match rest {
        [] => Ok(events),
        _ => Err(UnpackError::Malformed("bytes left over")),
    }
}
