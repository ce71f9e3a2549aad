//! Server-sent events for pages that show something live.

use super::state::Shared;
use crate::app::carts::Cart;
use crate::app::problem::Answer;
use crate::db::cart_states;
use crate::link::LinkState;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use std::convert::Infallible;
use tokio::sync::broadcast::error::RecvError;

/// The last thing that is told: the node closes, and the stream ends with it.
pub(super) const CLOSING: &str = "closing";

/// Told in the place of news that came faster than they were read.
const MISSED: &str = "missed";

/// Tells of carts, the link and prices as they change.
#[utoipa::path(get, path = "/v1/events", operation_id = "listen", tag = "till",
    responses((status = 200, description = "`cart.updated`, `sync.state`, `price.activated`, `printer.state`; `missed` where news came faster than they were read", content_type = "text/event-stream")))]
pub async fn listen(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let told = shared.told.subscribe();
    let stream = futures_util::stream::unfold(Some(told), |told| async move {
        let mut told = told?;
        match told.recv().await {
            Ok(news) => {
                let more = (news.name != CLOSING).then_some(told);
                Some((Ok(Event::default().event(news.name).data(news.data)), more))
            }
            // A slow reader misses news, and is told so: it asks for the state then.
            Err(RecvError::Lagged(_)) => Some((Ok(Event::default().event(MISSED).data("{}")), Some(told))),
            Err(RecvError::Closed) => None,
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// Tells of the link, of new prices and of carts that others changed, for as long as the node runs.
pub async fn tell_changes(shared: Shared) {
    let (mut link, mut pulse) = (shared.link.clone(), shared.writer.pulse());
    let mut catalog = pulse.borrow().catalog;
    // What was merged before anybody could listen is no news.
    let mut carts = shared.read(|conn| Ok(cart_states::last(conn)?)).unwrap_or(0);
    loop {
        tokio::select! {
            changed = link.changed() => {
                if changed.is_err() { return; }
                let state = link.borrow_and_update().state;
                shared.tell("sync.state", format!("{{\"link\":\"{}\"}}", name_of(state)));
            }
            changed = pulse.changed() => {
                if changed.is_err() { return; }
                let (now, merged) = {
                    let pulse = pulse.borrow_and_update();
                    (pulse.catalog, pulse.merged_carts)
                };
                if now != catalog {
                    catalog = now;
                    shared.tell("price.activated", format!("{{\"epoch\":{},\"version\":{}}}", now.epoch, now.version));
                }
                if merged > carts {
                    tell_carts(&shared, carts, merged);
                    carts = merged;
                }
            }
        }
    }
}

/// Tells of carts that another till changed, paid or handed on.
fn tell_carts(shared: &Shared, after: u64, until: u64) {
    let changed = shared.read(|conn| {
        let ids = cart_states::changed(conn, after, until)?;
        ids.iter().map(|id| Cart::load(conn, id)).collect::<Answer<Vec<Cart>>>()
    });
    match changed {
        Ok(carts) => carts.iter().for_each(|cart| shared.tell("cart.updated", told_of(cart))),
        Err(stop) => {
            tracing::warn!(?stop, "carts that were merged can't be read");
            shared.tell(MISSED, "{}".to_owned());
        }
    }
}

/// What is told of a cart that changed.
pub(super) fn told_of(cart: &Cart) -> String {
    let till = serde_json::Value::from(cart.till.as_str());
    let (id, state, version) = (&cart.id, super::carts::state_name(cart.state), cart.version);
    format!("{{\"id\":\"{id}\",\"till\":{till},\"state\":\"{state}\",\"version\":{version}}}")
}

fn name_of(state: LinkState) -> &'static str {
    match state {
        LinkState::Never => "never",
        LinkState::Online => "online",
        LinkState::Syncing => "syncing",
        LinkState::Offline => "offline",
    }
}
