//! Signatures over heads and greetings by the device key (`model.md` §1).

use crate::frontier::HeadMark;
use crate::ids::{Hash, Incarnation};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// A device's public key (Ed25519).
pub type DeviceKey = [u8; 32];
/// A signature (Ed25519).
pub type SignatureBytes = [u8; 64];

const HEAD_TAG: &[u8] = b"tradepost head v1";
const HELLO_TAG: &[u8] = b"tradepost hello v1";
const ENROL_TAG: &[u8] = b"tradepost enrol v1";
const REJOIN_TAG: &[u8] = b"tradepost rejoin v1";
const CATALOG_TAG: &[u8] = b"tradepost catalog v1";
const FISCAL_TAG: &[u8] = b"tradepost fiscal entry v1";

/// A signature that doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// A device's key pair. It never leaves the device.
#[derive(Clone)]
pub struct Device {
    key: SigningKey,
}

impl Device {
    /// A key pair from 32 secret random bytes, which the caller keeps.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(&secret) }
    }

    /// The public half.
    pub fn public(&self) -> DeviceKey {
        self.key.verifying_key().to_bytes()
    }

    /// The secret half, for the LAN's transport alone: it proves the same key, so that a connection is a member's.
    pub fn secret(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Signs an incarnation's head, once per group commit: it speaks for the whole stream up to there.
    pub fn sign_head(&self, head: &HeadMark) -> SignatureBytes {
        self.key.sign(&head_message(head)).to_bytes()
    }

    /// Answers the other side's nonce, for nobody but the holder of the key `to`: the answer can't be passed on.
    pub fn sign_hello(&self, incarnation: &Incarnation, nonce: &[u8; 32], to: &DeviceKey) -> SignatureBytes {
        self.key.sign(&hello_message(incarnation, nonce, to)).to_bytes()
    }

    /// Proves at enrolment that the key is held: over the code's hash and the incarnation.
    pub fn sign_enrolment(&self, incarnation: &Incarnation, code_hash: &Hash) -> SignatureBytes {
        self.key.sign(&enrol_message(incarnation, code_hash)).to_bytes()
    }

    /// Proves that a machine that lost memory is the one that was enrolled: over its new incarnation and the one it
    /// forgot, and the store's `H_s`. Said again it proves nothing more.
    pub fn sign_rejoin(
        &self,
        (new, old): (&Incarnation, &Incarnation),
        store: &Incarnation,
    ) -> SignatureBytes {
        self.key.sign(&rejoin_message((new, old), store)).to_bytes()
    }

    /// Signs a catalog entry's hash.
    pub fn sign_catalog(&self, hash: &Hash) -> SignatureBytes {
        self.key.sign(&catalog_message(hash)).to_bytes()
    }

    /// Signs the hash of an entry of a fiscal journal.
    pub fn sign_fiscal(&self, hash: &[u8; 32]) -> SignatureBytes {
        self.key.sign(&fiscal_message(hash)).to_bytes()
    }

    /// Signs a message that carries its own tag.
    pub(crate) fn sign_message(&self, message: &[u8]) -> SignatureBytes {
        self.key.sign(message).to_bytes()
    }
}

/// Checks a signature over a message that carries its own tag.
pub(crate) fn verify_message(
    key: &DeviceKey,
    message: &[u8],
    signature: &SignatureBytes,
) -> Result<(), BadSignature> {
    verify(key, message, signature)
}

/// Checks a head's signature.
pub fn verify_head(key: &DeviceKey, head: &HeadMark, signature: &SignatureBytes) -> Result<(), BadSignature> {
    verify(key, &head_message(head), signature)
}

/// Checks the answer to a nonce that was given to the holder of the key `to`.
pub fn verify_hello(
    key: &DeviceKey,
    incarnation: &Incarnation,
    nonce: &[u8; 32],
    to: &DeviceKey,
    signature: &SignatureBytes,
) -> Result<(), BadSignature> {
    verify(key, &hello_message(incarnation, nonce, to), signature)
}

/// The hash of an enrolment code's secret: what the proof is made over, and all that a hub keeps of the code.
pub fn enrolment_hash(secret: &[u8; 8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost enrolment secret v1");
    hasher.update(secret);
    Hash(*hasher.finalize().as_bytes())
}

/// Checks the proof made at enrolment.
pub fn verify_enrolment(
    key: &DeviceKey,
    incarnation: &Incarnation,
    code_hash: &Hash,
    signature: &SignatureBytes,
) -> Result<(), BadSignature> {
    verify(key, &enrol_message(incarnation, code_hash), signature)
}

/// Checks what a machine says that comes back with a new incarnation.
pub fn verify_rejoin(
    key: &DeviceKey,
    (new, old): (&Incarnation, &Incarnation),
    store: &Incarnation,
    signature: &SignatureBytes,
) -> Result<(), BadSignature> {
    verify(key, &rejoin_message((new, old), store), signature)
}

/// Checks a catalog entry.
pub fn verify_catalog(key: &DeviceKey, hash: &Hash, signature: &SignatureBytes) -> Result<(), BadSignature> {
    verify(key, &catalog_message(hash), signature)
}

/// Checks an entry of a fiscal journal.
pub fn verify_fiscal(
    key: &DeviceKey,
    hash: &[u8; 32],
    signature: &SignatureBytes,
) -> Result<(), BadSignature> {
    verify(key, &fiscal_message(hash), signature)
}

fn verify(key: &DeviceKey, message: &[u8], signature: &SignatureBytes) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| BadSignature)?;
    key.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| BadSignature)
}

fn head_message(head: &HeadMark) -> Vec<u8> {
    [HEAD_TAG, &head.incarnation.0, &head.seq.to_le_bytes(), &head.hash.0].concat()
}

fn hello_message(incarnation: &Incarnation, nonce: &[u8; 32], to: &DeviceKey) -> Vec<u8> {
    [HELLO_TAG, &incarnation.0, nonce, to].concat()
}

fn enrol_message(incarnation: &Incarnation, code_hash: &Hash) -> Vec<u8> {
    [ENROL_TAG, &incarnation.0, &code_hash.0].concat()
}

fn rejoin_message((new, old): (&Incarnation, &Incarnation), store: &Incarnation) -> Vec<u8> {
    [REJOIN_TAG, &new.0, &old.0, &store.0].concat()
}

fn catalog_message(hash: &Hash) -> Vec<u8> {
    [CATALOG_TAG, hash.0.as_slice()].concat()
}

fn fiscal_message(hash: &[u8; 32]) -> Vec<u8> {
    [FISCAL_TAG, hash.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_signed_by_one_device_holds_for_no_other_head_or_device() {
        let (ours, other) = (Device::from_secret([1; 32]), Device::from_secret([2; 32]));
        let head = HeadMark { incarnation: Incarnation([3; 16]), seq: 7, hash: Hash([4; 32]) };
        let signature = ours.sign_head(&head);
        assert_eq!(verify_head(&ours.public(), &head, &signature), Ok(()));
        assert_eq!(verify_head(&ours.public(), &HeadMark { seq: 8, ..head }, &signature), Err(BadSignature));
        assert_eq!(verify_head(&other.public(), &head, &signature), Err(BadSignature));
    }

    #[test]
    fn a_greeting_is_no_head() {
        let device = Device::from_secret([1; 32]);
        let greeting = device.sign_hello(&Incarnation([3; 16]), &[0; 32], &[0; 32]);
        let head = HeadMark { incarnation: Incarnation([3; 16]), seq: 0, hash: Hash([0; 32]) };
        assert_eq!(verify_head(&device.public(), &head, &greeting), Err(BadSignature));
    }
}
