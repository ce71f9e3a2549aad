//! Two sessions, two logs in memory, and a link that is cut wherever the seed says.

mod barriers;
mod leases;
mod liveness;
mod neighbours;
mod records;
mod refusals;
mod shared;
mod stories;
mod world;

use super::*;
use world::*;

/// Talks until nothing is said any more, or until `cut` messages were delivered in all.
fn converse(node: &mut Replica, hub: &mut Replica, cut: usize) -> (Option<Closing>, Option<Closing>) {
    let (mut a, mut b) = (Side::new(Role::Node, node), Side::new(Role::Hub, hub));
    a.session.handle(0, Input::Start);
    b.session.handle(0, Input::Start);
    let mut to_hub = VecDeque::from(a.pump(0));
    let mut to_node = VecDeque::from(b.pump(0));
    for _ in 0..cut {
        let Some((side, message)) =
            to_hub.pop_front().map(|m| (true, m)).or_else(|| to_node.pop_front().map(|m| (false, m)))
        else {
            break;
        };
        if side {
            b.session.handle(1, Input::Message(message));
            to_node.extend(b.pump(1));
        } else {
            a.session.handle(1, Input::Message(message));
            to_hub.extend(a.pump(1));
        }
    }
    (a.closed, b.closed)
}
