//! Bugs that are planted on purpose, one a run, to see that the oracle finds them. It never knows which one is in.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A sale is answered before it is committed.
    AckBeforeCommit,
    /// A commit is answered before it is synced: the power takes it back.
    AckBeforeFsync,
    /// A database that was put back goes on under its old incarnation.
    ReusedIncarnation,
    /// A database that was put back gets its old rights again under the new incarnation.
    ForgottenRights,
    /// The hub moves a stream's head on without applying all of it.
    SeenNotApplied,
    /// The hub applies a batch that it already holds once more.
    NaiveResend,
    /// What was on its way when a link was cut is taken for heard, and never sent again.
    LostRequeue,
    /// After a cut a node calls again only when something is sold.
    RetryOnNextSale,
    /// A grant that arrives twice counts twice.
    AdditiveGrants,
    /// Of two documents with one time the hub keeps one.
    TieBreakDropsRow,
    /// A row of the outbox is lost.
    NaiveOutbox,
    /// A node takes in a catalog version and forgets to say which.
    CatalogStuck,
    /// The hub doesn't pass on what it doesn't know itself.
    UnknownKindDropped,
    /// A node doesn't take in what others of its store wrote, but says that it did.
    NeighbourIgnored,
    /// The last number of a receipt series is forgotten at a start.
    NumberForgotten,
    /// The hub takes the figure that was counted for what is there when it hears of it.
    RawCount,
    /// The hub promises goods on the web and keeps the right.
    PromiseKeepsRight,
    /// An order that is called off gives its rights back twice.
    CalledOffTwice,
    /// What a neighbour shows in a cart is taken for scanned anew: a line that was taken out comes back.
    ResurrectedLine,
    /// What surfaces of a lost log behind its cap counts for rights all the same.
    NoRowCap,
}

impl Plant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AckBeforeCommit,
        Self::AckBeforeFsync,
        Self::ReusedIncarnation,
        Self::ForgottenRights,
        Self::SeenNotApplied,
        Self::NaiveResend,
        Self::LostRequeue,
        Self::RetryOnNextSale,
        Self::AdditiveGrants,
        Self::TieBreakDropsRow,
        Self::NaiveOutbox,
        Self::CatalogStuck,
        Self::UnknownKindDropped,
        Self::NeighbourIgnored,
        Self::NumberForgotten,
        Self::RawCount,
        Self::PromiseKeepsRight,
        Self::CalledOffTwice,
        Self::ResurrectedLine,
        Self::NoRowCap,
    ];
}
