//! Ids as a client makes them.

/// A fresh UUIDv7 (RFC 9562): 48 bits of milliseconds, the rest luck.
#[must_use]
pub fn uuid_v7() -> String {
    let ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0));
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    tradepost_sync::ids::Id(bytes).to_string()
}
