//! Custody and burning on the wire.

use crate::convert::{BadFrame, fixed, incarnation, sku_in};
use crate::sync::v1 as wire;
use tradepost_sync::body::CustodyObject;
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::ids::Id;
use tradepost_sync::session::CustodyAsk;

pub(crate) fn custody_out(wanted: &CustodyAsk) -> wire::CustodyAsk {
    let (kind, id) = match &wanted.object {
        CustodyObject::Cart(id) => (wire::CustodyKind::Cart, id.0.to_vec()),
        CustodyObject::Refund(id) => (wire::CustodyKind::Refund, id.0.to_vec()),
        // Nothing else passes between neighbours.
        _ => (wire::CustodyKind::Unspecified, Vec::new()),
    };
    wire::CustodyAsk { ask: wanted.ask, kind: kind.into(), id }
}

pub(crate) fn custody_in(wanted: &wire::CustodyAsk) -> Result<CustodyAsk, BadFrame> {
    let id = fixed(&wanted.id, "id").map(Id)?;
    let object = match wanted.kind() {
        wire::CustodyKind::Cart => CustodyObject::Cart(id),
        wire::CustodyKind::Refund => CustodyObject::Refund(id),
        wire::CustodyKind::Unspecified => return Err(BadFrame::Field("kind")),
    };
    Ok(CustodyAsk { ask: wanted.ask, object })
}

pub(crate) fn burn_out(ask: &BurnAsk) -> wire::BurnAsk {
    let (id, holder) = (ask.id.0.to_vec(), ask.holder.0.to_vec());
    wire::BurnAsk { id, holder, sku: ask.sku.0.clone(), units: ask.units }
}

pub(crate) fn burn_in(ask: wire::BurnAsk) -> Result<BurnAsk, BadFrame> {
    let id = fixed(&ask.id, "id").map(Id)?;
    Ok(BurnAsk { id, holder: incarnation(&ask.holder)?, sku: sku_in(ask.sku)?, units: ask.units })
}
