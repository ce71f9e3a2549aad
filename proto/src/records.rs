//! Customers' records on the wire.

use crate::convert::{BadFrame, fixed};
use crate::sync::v1 as wire;
use tradepost_sync::ids::Id;
use tradepost_sync::session::{CustomerRecord, Records};
use wire::customer_record::State;

pub(crate) fn records_out(records: &Records) -> wire::Records {
    let one = |record: &CustomerRecord| wire::CustomerRecord {
        id: record.id.0.to_vec(),
        version: record.version,
        state: Some(record.person.clone().map_or(State::Erased(true), State::Record)),
        price_list: record.price_list.clone(),
    };
    wire::Records { through: records.through, records: records.records.iter().map(one).collect() }
}

pub(crate) fn records_in(records: wire::Records) -> Result<Records, BadFrame> {
    let one = |record: wire::CustomerRecord| {
        let person = match record.state {
            Some(State::Record(person)) => Some(person),
            Some(State::Erased(true)) => None,
            Some(State::Erased(false)) | None => return Err(BadFrame::Field("state")),
        };
        let id = fixed(&record.id, "id").map(Id)?;
        Ok(CustomerRecord { id, version: record.version, person, price_list: record.price_list })
    };
    let all = records.records.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Records { through: records.through, records: all })
}
