//! Where the link stands, for people, and how a session ends.

use super::{Ended, Pump};
use crate::link::{LinkState, Neighbour};
use tradepost_sync::session::{Closing, Refusal, Role};

impl Pump<'_> {
    pub(super) fn contact(&self) {
        let wall = self.context.machine.wall();
        match self.role {
            Role::Neighbour => self.tell_of_neighbour(|link| link.last_contact = Some(wall)),
            _ => self.context.tell(|link| link.last_contact = Some(wall)),
        }
    }

    pub(super) fn tell_of_neighbour(&self, change: impl FnOnce(&mut Neighbour)) {
        if let (Role::Neighbour, Some(peer)) = (self.role, self.peer) {
            self.context.tell(|link| change(link.neighbours.entry(peer).or_default()));
        }
    }

    pub(super) fn show(&self) {
        let Some(peer) = self.peer else { return };
        let state = if self.session.level() { LinkState::Online } else { LinkState::Syncing };
        let shown = {
            let link = self.context.link.borrow();
            match self.role {
                Role::Neighbour => link.neighbours.get(&peer).map(|neighbour| neighbour.state),
                _ => Some(link.state),
            }
        };
        if shown == Some(state) {
            return;
        }
        match self.role {
            Role::Neighbour => self.tell_of_neighbour(|link| link.state = state),
            _ => self.context.tell(|link| link.state = state),
        }
    }

    pub(super) fn them(&self) -> &'static str {
        if self.role == Role::Neighbour { "the neighbour" } else { "the hub" }
    }

    pub(super) fn close(&self, closing: Closing) -> Ended {
        let for_good = matches!(
            closing,
            Closing::PeerRefused(Refusal::Protocol | Refusal::Unknown | Refusal::Fenced)
                | Closing::Refused(Refusal::Protocol | Refusal::Signature)
        );
        let them = self.them();
        let why = match closing {
            Closing::Refused(refusal) => format!("{them} was refused: {refusal:?}"),
            Closing::PeerRefused(refusal) => format!("{them} refuses: {refusal:?}"),
            Closing::Silence => format!("{them} is silent"),
            Closing::Stalled => "nothing moved".to_owned(),
        };
        let refused = match closing {
            Closing::PeerRefused(refusal) => Some(refusal),
            _ => None,
        };
        Ended { for_good, refused, ..self.end(why) }
    }

    pub(super) fn end(&self, why: String) -> Ended {
        let error = why.clone();
        self.tell_of_neighbour(|link| (link.state, link.last_error) = (LinkState::Offline, Some(error)));
        Ended { why, met: self.peer.is_some(), for_good: false, refused: None }
    }
}
