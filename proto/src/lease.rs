//! Leases on the wire.

use crate::convert::{BadFrame, fixed, incarnation, tau_in, tau_out};
use crate::sync::v1 as wire;
use tradepost_sync::lease::{Lease, LeaseAsk, SealedLease};

pub(crate) fn ask_out(ask: &LeaseAsk) -> wire::LeaseAsk {
    wire::LeaseAsk { incarnation: ask.incarnation.0.to_vec(), nonce: ask.nonce.to_vec() }
}

pub(crate) fn ask_in(ask: &wire::LeaseAsk) -> Result<LeaseAsk, BadFrame> {
    Ok(LeaseAsk { incarnation: incarnation(&ask.incarnation)?, nonce: fixed(&ask.nonce, "nonce")? })
}

pub(crate) fn lease_out(sealed: &SealedLease) -> wire::Lease {
    let SealedLease { lease, signature } = sealed;
    wire::Lease {
        incarnation: lease.incarnation.0.to_vec(),
        nonce: lease.nonce.to_vec(),
        issued: Some(tau_out(lease.issued)),
        length_ms: lease.length_ms,
        signature: signature.to_vec(),
    }
}

pub(crate) fn lease_in(lease: &wire::Lease) -> Result<SealedLease, BadFrame> {
    let signature = fixed(&lease.signature, "signature")?;
    let lease = Lease {
        incarnation: incarnation(&lease.incarnation)?,
        nonce: fixed(&lease.nonce, "nonce")?,
        issued: lease.issued.map(tau_in).ok_or(BadFrame::Field("issued"))?,
        length_ms: lease.length_ms,
    };
    Ok(SealedLease { lease, signature })
}
