//! What the pump has done at the disk: it runs beside the link, and what came of it is the session's next input.

use super::{Done, Pump};
use crate::app::problem::{Answer, Stop};
use crate::app::stretch::{self, Asked};
use crate::app::{acquire, barrier, customers, node};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::session::{Acquire, BarrierWord, Input, Refusal, Role};

impl Pump<'_> {
    pub(super) fn read(&self, asked: Asked) {
        let (reads, disk) = (self.context.reads.clone(), self.disk.clone());
        tokio::task::spawn_blocking(move || {
            let read = reads.with::<_, Stop>(|conn| Ok(stretch::read(conn, &asked)?));
            let _ = disk.send(match read {
                Ok(batch) => Done::Input(Box::new(Input::Read(batch))),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    pub(super) fn write(
        &self,
        work: impl FnOnce(&mut node::Node, crate::app::clock::Now) -> Answer<Input> + Send + 'static,
    ) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            let _ = disk.send(match writer.ask(work).await {
                Ok(input) => Done::Input(Box::new(input)),
                Err(stop) => Done::Broken(stop),
            });
        });
    }

    pub(super) fn read_records(&self, held: Option<u64>) {
        self.write(move |node, _| {
            held.map_or(Ok(()), |held| customers::said(node, held))?;
            Ok(Input::RecordsRead(customers::offer(node.conn())?))
        });
    }

    /// The hub's word about a barrier is answered once the answer is durable; where there is none yet it asks again.
    pub(super) fn hear_of_barrier(&self, word: BarrierWord) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        tokio::spawn(async move {
            match writer.ask(move |node, _| barrier::hear(node, &word)).await {
                Ok(Some(answer)) => {
                    let _ = disk.send(Done::Input(Box::new(Input::Barrier(answer))));
                }
                Ok(None) => {}
                Err(stop) => {
                    let _ = disk.send(Done::Broken(stop));
                }
            }
        });
    }

    /// What a neighbour asks for is given in a group of its own commit, and answered once that is durable.
    pub(super) fn give(&self, asked: Acquire) {
        let Some(to) = self.peer else { return };
        self.write(move |node, now| {
            let head = acquire::give(node, now, &to, &asked)?;
            Ok(Input::Given { ask: asked.ask, head })
        });
    }

    /// How far the hub holds a stream is a hint for people, so nobody waits for it to be written; how far a neighbour
    /// does is not even written.
    pub(super) fn acked(&self, head: HeadMark) {
        if self.role == Role::Neighbour {
            if head.incarnation == self.context.writer.pulse().borrow().head.incarnation {
                self.tell_of_neighbour(|link| link.holds = link.holds.max(head.seq));
            }
            return;
        }
        let writer = self.context.writer.clone();
        tokio::spawn(async move {
            let noted = writer.ask(move |node, _| Ok(node.note_acked(&head)?)).await;
            if let Err(stop) = noted {
                tracing::debug!(?stop, "an acknowledgement was not noted");
            }
        });
    }

    /// The other side knows more of this node than it does itself: this memory writes no more (`model.md` §3) and goes
    /// on as a new incarnation. Where the log holds what was told after all, it had only grown meanwhile.
    pub(super) fn self_fence(&mut self, why: Refusal, told: Option<HeadMark>) {
        let (writer, disk) = (self.context.writer.clone(), self.disk.clone());
        let fence = move |node: &mut node::Node, now| {
            if let Some(told) = told
                && (told.incarnation != node.mark().incarnation || stretch::holds(node.conn(), &told)?)
            {
                return Ok(());
            }
            tracing::error!(?why, "another memory of this node is held elsewhere: a new incarnation begins");
            crate::app::start::begin_again(node, now)
        };
        tokio::spawn(async move {
            if let Err(stop) = writer.ask_alone(fence).await {
                let _ = disk.send(Done::Broken(stop));
            }
        });
    }
}
