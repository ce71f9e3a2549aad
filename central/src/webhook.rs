//! Signatures of messages over HTTP that nobody asked for (Standard Webhooks 1.0): HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A signature counts only so long before and after its time, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// A text that is no secret.
#[derive(Debug, thiserror::Error)]
#[error("a secret is whsec_ and at least 24 bytes in base64")]
pub struct BadSecret;

/// Reads a secret: `whsec_` and base64.
///
/// # Errors
/// [`BadSecret`].
pub fn secret(text: &str) -> Result<Vec<u8>, BadSecret> {
    let bytes = text.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    bytes.filter(|bytes| bytes.len() >= 24).ok_or(BadSecret)
}

/// The value of `webhook-signature` for a message; `at` is seconds since 1970 UTC.
#[must_use]
pub fn sign(secret: &[u8], id: &str, at: i64, body: &[u8]) -> String {
    let mut signed = format!("{id}.{at}.").into_bytes();
    signed.extend_from_slice(body);
    format!("v1,{}", STANDARD.encode(hmac_sha256(secret, &signed)))
}

/// Whether one of a message's signatures is good, and recent at `now` (seconds since 1970 UTC).
#[must_use]
pub fn verify(secret: &[u8], id: &str, at: i64, body: &[u8], signatures: &str, now: i64) -> bool {
    if id.is_empty() || now.abs_diff(at) > TOLERANCE_S.unsigned_abs() {
        return false;
    }
    let right = blake3::hash(sign(secret, id, at, body).as_bytes());
    // Hashes are compared, in constant time.
    signatures.split(' ').any(|given| blake3::hash(given.as_bytes()) == right)
}

/// RFC 2104 with SHA-256.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut padded = [0u8; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let with = |pad: u8| padded.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(with(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(with(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_vectors_of_rfc_4231_come_out() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(hex(&hmac_sha256(key, message)), expected);
        }
    }

    #[test]
    fn only_a_good_and_recent_signature_counts() {
        let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed = sign(&key, "msg_1", 1_000, b"{}");
        let both = format!("v1,AAAA {signed}");
        for (id, at, body, given, now, good) in [
            ("msg_1", 1_000, b"{}".as_slice(), signed.as_str(), 1_000, true),
            ("msg_1", 1_000, b"{}", both.as_str(), 1_300, true),
            ("msg_1", 1_000, b"{}", signed.as_str(), 1_301, false),
            ("msg_1", 1_000, b"{}", signed.as_str(), 600, false),
            ("msg_2", 1_000, b"{}", signed.as_str(), 1_000, false),
            ("msg_1", 1_001, b"{}", signed.as_str(), 1_000, false),
            ("msg_1", 1_000, b"{ }", signed.as_str(), 1_000, false),
            ("msg_1", 1_000, b"{}", "", 1_000, false),
        ] {
            assert_eq!(verify(&key, id, at, body, given, now), good, "{id} {at} {now}");
        }
        assert!(secret("whsec_c2hvcnQ=").is_err());
    }
}
