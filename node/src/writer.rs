//! The one thread that writes: it takes what waits, decides and writes each request, makes the group durable with
//! one commit and one sidecar write, and only then answers everybody (`resilience.md`, Storage profile).

use crate::app::clock::Now;
use crate::app::node::{Node, Others};
use crate::app::problem::{Answer, Code, Stop, no};
use crate::db::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tradepost_commerce::document::CatalogVersion;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Incarnation};
use tradepost_sync::lease::Tenancy;

/// Requests in one group commit.
pub const GROUP_MAX: usize = 64;
/// Requests that may wait.
pub const WAITING_MAX: usize = 512;
/// What the process ends with when the disk or an invariant broke.
pub const EXIT_BROKEN: i32 = 70;

/// What everybody may know after a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The end of the own stream.
    pub head: HeadMark,
    /// The catalog that is held.
    pub catalog: CatalogVersion,
    /// Groups that wrote something.
    pub groups: u64,
    /// In the roster, or alone.
    pub registered: bool,
    /// Belongs to a hub's store.
    pub enrolled: bool,
    /// Ends of all streams but the own one.
    pub others: Arc<Others>,
    /// Branches that were cut off since the start: each time ends of streams went back.
    pub cuts: u64,
    /// Number of the last change of a cart that came from elsewhere since the start.
    pub merged_carts: u64,
    /// The lease.
    pub tenancy: Tenancy,
}

tokio::task_local! {
    /// What is asked here may use the ballast's room.
    static ON_BALLAST: ();
}

/// Does what must be done also on a full disk: where there is no room the ballast is freed and it is tried once more.
/// Nothing else is written from then on, until [`lay_ballast_again`] finds room (`resilience.md`: for closing the shift and
/// its Z only).
///
/// # Errors
/// What `attempt` says the last time.
pub async fn even_when_full<T, F: Future<Output = Answer<T>>>(
    writer: &Writer,
    attempt: impl Fn() -> F,
) -> Answer<T> {
    match attempt().await {
        Err(Stop::Fault(Fault::Full)) => {}
        answer => return answer,
    }
    tracing::warn!("the disk is full: the ballast is freed, for the end of the day alone");
    ON_BALLAST.scope((), writer.ask_alone(|node, _| Ok(node.free_ballast()?))).await?;
    ON_BALLAST.scope((), attempt()).await
}

/// Lays the ballast again where it is gone and there is room; from then on everything may write. Answers whether it lies
/// there.
///
/// # Errors
/// As [`Writer::ask`].
pub async fn lay_ballast_again(writer: &Writer) -> Answer<bool> {
    ON_BALLAST.scope((), writer.ask_alone(|node, _| Ok(node.lay_ballast_again()))).await
}

type Finish = Box<dyn FnOnce(Result<(), Fault>) + Send>;

struct Turn {
    finish: Finish,
    fault: Option<Fault>,
}

/// Without a node it only says whom to answer, and why.
type Run = Box<dyn FnOnce(Result<Counter<'_>, Stop>) -> Turn + Send>;
type Counter<'a> = (&'a mut Node, Now);

struct Job {
    alone: bool,
    on_ballast: bool,
    run: Run,
}

/// The way to the writing thread. Clones are cheap.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    pulse: watch::Receiver<Pulse>,
    closing: Arc<AtomicBool>,
    waiting: Arc<AtomicU64>,
}

/// The thread itself, to be waited for.
pub struct WriterThread {
    thread: std::thread::JoinHandle<()>,
    closing: Arc<AtomicBool>,
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    began: Instant,
}

impl Default for Machine {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Machine {
    /// The wall clock in milliseconds since 1970 UTC.
    pub fn wall(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Milliseconds since the program began; never steps.
    pub fn boot(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Starts the writing thread over a node.
///
/// # Errors
/// What the system says where it has no thread to give.
pub fn spawn(node: Node, machine: Machine) -> std::io::Result<(Writer, WriterThread)> {
    let (jobs, waiting) = mpsc::channel(WAITING_MAX);
    let (pulse, watched) = watch::channel(pulse_of(&node, 0));
    let closing = Arc::new(AtomicBool::new(false));
    let queued = Arc::new(AtomicU64::new(0));
    let loop_ = Loop { node, machine, jobs: waiting, pulse, queued: Arc::clone(&queued), held_over: None };
    let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        let _guard = EndsWithTheThread;
        ask_for_real_time();
        loop_.run();
    })?;
    let writer = Writer { jobs, pulse: watched, closing: Arc::clone(&closing), waiting: queued };
    Ok((writer, WriterThread { thread, closing }))
}

impl Writer {
    /// Runs `work` in a group and answers once the group is durable.
    ///
    /// # Errors
    /// What `work` says; `CLOSING` where the node ends; a fault where the group could not be made durable.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Node, Now) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.send(false, work).await
    }

    /// As [`Self::ask`], in a group of its own: nothing that is not yet durable is in front of it.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Node, Now) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.send(true, work).await
    }

    async fn send<T: Send + 'static>(
        &self,
        alone: bool,
        work: impl FnOnce(&mut Node, Now) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(closing());
        }
        let (reply, answer) = oneshot::channel();
        let run: Run = Box::new(move |counter: Result<Counter<'_>, Stop>| {
            let ran = counter.is_ok();
            let answer = counter.and_then(|(node, now)| work(node, now));
            let fault = match &answer {
                Err(Stop::Fault(fault)) if ran => Some(fault.clone()),
                _ => None,
            };
            let finish: Finish = Box::new(move |done| {
                // Whoever asked may have gone away; the answer is durable all the same.
                let _ = reply.send(done.map_err(Stop::Fault).and(answer));
            });
            Turn { finish, fault }
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let on_ballast = ON_BALLAST.try_with(|()| ()).is_ok();
        self.jobs.send(Job { alone, on_ballast, run }).await.map_err(|_| closing())?;
        answer.await.map_err(|_| closing())?
    }

    /// What is known after the last group.
    pub fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.clone()
    }

    /// Whether new writes are refused because the node ends.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Requests that wait for the thread.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Refuses new writes from now on; those that wait are finished.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

impl WriterThread {
    /// Waits until every writer is gone and the last group is durable.
    pub fn join(self) {
        self.closing.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            broken(&Fault::Fatal("the writing thread panicked".to_owned()));
        }
    }
}

fn closing() -> Stop {
    no(Code::Closing, "the node is closing")
}

struct Loop {
    node: Node,
    machine: Machine,
    jobs: mpsc::Receiver<Job>,
    pulse: watch::Sender<Pulse>,
    queued: Arc<AtomicU64>,
    held_over: Option<Job>,
}

impl Loop {
    fn run(mut self) {
        while let Some(first) = self.next() {
            let group = self.gather(first);
            self.queued.fetch_sub(u64::try_from(group.len()).unwrap_or(0), Ordering::Relaxed);
            self.commit(group);
            if let Err(fault) = self.node.rest() {
                say(&fault);
            }
        }
        if let Err(fault) = self.node.close() {
            say(&fault);
        }
    }

    fn next(&mut self) -> Option<Job> {
        self.held_over.take().or_else(|| self.jobs.blocking_recv())
    }

    /// What waits behind the first one, up to one that must be alone.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let alone = first.alone;
        let mut group = vec![first];
        while !alone && group.len() < GROUP_MAX {
            match self.jobs.try_recv() {
                Ok(job) if job.alone => {
                    self.held_over = Some(job);
                    break;
                }
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        group
    }

    fn commit(&mut self, group: Vec<Job>) {
        let began = Instant::now();
        let size = group.len();
        let (finishes, done) = self.try_group(group);
        let wrote = match &done {
            Ok(wrote) => *wrote,
            Err(Fault::Fatal(_)) => broken(&done.clone().err().unwrap_or(Fault::Full)),
            Err(Fault::Full) => self.give_up(),
        };
        if wrote {
            self.tell(size, began);
        }
        let done = done.map(|_| ());
        finishes.into_iter().for_each(|finish| finish(done.clone()));
    }

    fn try_group(&mut self, group: Vec<Job>) -> (Vec<Finish>, Result<bool, Fault>) {
        let mut finishes = Vec::with_capacity(group.len());
        let mut result = self.node.begin();
        for job in group {
            let now = self.node.now(self.machine.wall(), self.machine.boot());
            // Behind a fault nothing is decided any more; everybody hears of it.
            let counter = match &result {
                Ok(()) if job.on_ballast || self.node.has_ballast() => Ok((&mut self.node, now)),
                Ok(()) => Err(Stop::Fault(Fault::Full)),
                Err(_) => Err(closing()),
            };
            let turn = (job.run)(counter);
            finishes.push(turn.finish);
            if let (Ok(()), Some(fault)) = (&result, turn.fault) {
                result = Err(fault);
            }
        }
        let done = result.and_then(|()| self.node.commit());
        (finishes, done)
    }

    fn give_up(&mut self) -> bool {
        if let Err(fault) = self.node.give_up() {
            broken(&fault);
        }
        false
    }

    fn tell(&mut self, size: usize, began: Instant) {
        metrics::counter!("tradepost_groups_total").increment(1);
        metrics::counter!("tradepost_writes_total").increment(u64::try_from(size).unwrap_or(0));
        metrics::histogram!("tradepost_group_seconds").record(began.elapsed().as_secs_f64());
        let groups = self.pulse.borrow().groups + 1;
        self.pulse.send_replace(pulse_of(&self.node, groups));
    }
}

fn pulse_of(node: &Node, groups: u64) -> Pulse {
    let (_, me) = node.me();
    Pulse {
        head: node.mark(),
        catalog: node.rulebook().catalog,
        groups,
        registered: me.registered,
        enrolled: me.enrolled,
        others: Arc::clone(node.others()),
        cuts: node.cuts(),
        merged_carts: node.merged_carts(),
        tenancy: node.tenancy(),
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            head: HeadMark { incarnation: Incarnation([0; 16]), seq: 0, hash: Hash::ZERO },
            catalog: CatalogVersion::default(),
            groups: 0,
            registered: false,
            enrolled: false,
            others: Arc::default(),
            cuts: 0,
            merged_carts: 0,
            tenancy: Tenancy::default(),
        }
    }
}

/// A checkpoint that found no room is tried again at the next group.
fn say(fault: &Fault) {
    match fault {
        Fault::Full => tracing::warn!("no room to write the WAL back"),
        Fault::Fatal(_) => broken(fault),
    }
}

/// A till never limps: without this the next answer could be a lie (`resilience.md`).
fn broken(fault: &Fault) -> ! {
    tracing::error!(%fault, "the node ends");
    std::process::exit(EXIT_BROKEN)
}

/// A panic on the writing thread ends the process too.
struct EndsWithTheThread;

impl Drop for EndsWithTheThread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(EXIT_BROKEN);
        }
    }
}

/// Under load of other programs a commit waits for the processor, not for the disk: real-time scheduling spares it
/// that, where the system allows it (`speed.md`).
fn ask_for_real_time() {
    use thread_priority::{
        RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let lowest =
        ThreadPriorityValue::try_from(1u8).map_or(ThreadPriority::Min, ThreadPriority::Crossplatform);
    match set_thread_priority_and_policy(thread_native_id(), lowest, policy) {
        Ok(()) => tracing::debug!("the writing thread runs in real time"),
        Err(error) => tracing::debug!(%error, "no real-time scheduling for the writing thread"),
    }
}
