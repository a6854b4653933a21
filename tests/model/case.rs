//! A schedule, and how to make one up.

use std::fmt;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

/// Everything that is decided before a world begins.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rules: Rules,
    /// Life of an access token; `None`: the server does not tell, and it lives for ever.
    pub(crate) life: Option<Duration>,
    pub(crate) retry_in_doubt: bool,
    pub(crate) replicas: usize,
    pub(crate) beginning: Beginning,
    pub(crate) happenings: Vec<Happening>,
    /// One for each operation, in the order in which they begin; afterwards all is well.
    pub(crate) fates: Vec<Fate>,
}

/// How the server treats refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) reuse: Reuse,
    /// Whether a refresh ends the access token before it.
    pub(crate) ends_access: bool,
    /// Whether a refresh brings a new refresh token.
    pub(crate) rotates: bool,
}

/// What a spent refresh token meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// League: it is refused, and nothing else happens.
    Refused,
    /// RFC 9700 §4.14.2: it is refused, and the whole grant ends.
    EndsTheGrant,
    /// FAPI 2.0 §5.3.2.1: it works until its successor was used.
    Honoured,
}

/// What the replicas find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A stored grant.
    Grant,
    /// An empty store, and a seed.
    Seed,
}

/// What comes from outside. A replica is named by any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Seconds(u16),
    /// So many eighths of an access token's life.
    Eighths(u8),
    /// A request with the token that the replica shows; a 401 is reported after so many seconds.
    Request(usize, u8),
    /// A request that was on its way for long reports the 401 of an old token.
    LateRejection(usize),
    Crash(usize),
    /// The process stands still for so many seconds (SIGSTOP), whatever it holds.
    Freeze(usize, u16),
    /// Something is broken for so many minutes, while requests come all the time.
    Siege(Trouble, u8),
    Asked(usize),
    Reconfigured,
    /// The server ends every access token.
    AccessRevoked,
    /// A person revokes the app.
    GrantRevoked,
    /// The operator provides a refresh token that works.
    GoodSeed,
    /// The operator provides a refresh token that nobody knows.
    BadSeed,
    /// A person signs in, and what comes of it is stored by another process, if the lock is free.
    SignIn,
}

/// Something that stays broken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token endpoint cannot be reached.
    Unreachable,
    /// No request arrives, and nobody says so.
    Silent,
    /// The server answers with an error of its own.
    Failing,
    /// The server takes part, and answers what nobody can read.
    Nonsense,
    /// The server wants to be left alone for a second, every time.
    Throttling,
    /// The disk is full.
    NoSpace,
    /// The upstream ends every token that it is shown.
    Refusing,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The share of its longest time that it takes, in percent.
    pub(crate) slowness: u8,
    pub(crate) twist: Twist,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// It fails and has done nothing: not stored, not processed, not connected, not known.
    Fails,
    /// It is reported to have failed, and has taken place.
    FailsLate,
    /// The server asks to be left alone for so many seconds.
    Throttled(u8),
    /// The same, by somebody who may have passed the request on.
    Maintenance,
    /// A page that no token endpoint sends.
    Page,
    ServerError,
    ServerErrorAfterProcessing,
    /// A complete answer that nobody can read.
    Nonsense,
    NonsenseAfterProcessing,
    ClientRefused,
    NeverSent,
    /// The replica dies before it took place.
    CrashBefore,
    /// The replica dies, and a request that has left is processed nevertheless.
    CrashDuring,
    /// The replica dies after it took place, before it learns of it.
    CrashAfter,
}

impl Fate {
    pub(crate) const GOOD: Self = Self { slowness: 1, twist: Twist::None };
}

impl Arbitrary for Case {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let life = prop_oneof![
            3 => Just(Some(Duration::from_secs(3600))),
            2 => Just(Some(Duration::from_secs(15 * 24 * 3600))),
            1 => Just(None),
        ];
        let beginning = prop_oneof![3 => Just(Beginning::Grant), 1 => Just(Beginning::Seed)];
        let retry = prop_oneof![4 => Just(true), 1 => Just(false)];
        let plan = (rules(), life, retry, 1..=3_usize, beginning);
        (plan, vec(happening(), 0..24), vec(fate(), 0..48))
            .prop_map(|((rules, life, retry_in_doubt, replicas, beginning), happenings, fates)| {
                Self { rules, life, retry_in_doubt, replicas, beginning, happenings, fates }
            })
            .boxed()
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let league = Rules { reuse: Reuse::Refused, ends_access: true, rotates: true };
    prop_oneof![
        4 => Just(league),
        2 => Just(Rules { reuse: Reuse::EndsTheGrant, ends_access: false, ..league }),
        1 => Just(Rules { reuse: Reuse::EndsTheGrant, ..league }),
        2 => Just(Rules { reuse: Reuse::Honoured, ..league }),
        2 => Just(Rules { ends_access: false, ..league }),
        1 => Just(Rules { rotates: false, ..league }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let replica = 0..3_usize;
    prop_oneof![
        6 => (1..600_u16).prop_map(Happening::Seconds),
        8 => (1..=10_u8).prop_map(Happening::Eighths),
        8 => (replica.clone(), 0..20_u8).prop_map(|(who, delay)| Happening::Request(who, delay)),
        2 => replica.clone().prop_map(Happening::LateRejection),
        3 => replica.clone().prop_map(Happening::Crash),
        2 => (replica.clone(), 1..300_u16).prop_map(|(who, time)| Happening::Freeze(who, time)),
        2 => (trouble(), 1..120_u8).prop_map(|(trouble, time)| Happening::Siege(trouble, time)),
        3 => replica.prop_map(Happening::Asked),
        1 => Just(Happening::Reconfigured),
        2 => Just(Happening::AccessRevoked),
        1 => Just(Happening::GrantRevoked),
        1 => Just(Happening::GoodSeed),
        1 => Just(Happening::BadSeed),
        2 => Just(Happening::SignIn),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Unreachable),
        Just(Trouble::Silent),
        Just(Trouble::Failing),
        Just(Trouble::Nonsense),
        Just(Trouble::Throttling),
        Just(Trouble::NoSpace),
        Just(Trouble::Refusing),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    let twist = prop_oneof![
        24 => Just(Twist::None),
        4 => Just(Twist::Fails),
        4 => Just(Twist::FailsLate),
        1 => (1..120_u8).prop_map(Twist::Throttled),
        1 => Just(Twist::Maintenance),
        1 => Just(Twist::Page),
        1 => Just(Twist::Nonsense),
        1 => Just(Twist::NonsenseAfterProcessing),
        1 => Just(Twist::ServerError),
        1 => Just(Twist::ServerErrorAfterProcessing),
        1 => Just(Twist::ClientRefused),
        1 => Just(Twist::NeverSent),
        1 => Just(Twist::CrashBefore),
        1 => Just(Twist::CrashDuring),
        1 => Just(Twist::CrashAfter),
    ];
    let slowness = prop_oneof![4 => Just(1_u8), 1 => 2..=100_u8];
    (slowness, twist).prop_map(|(slowness, twist)| Fate { slowness, twist })
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { reuse, ends_access, rotates } = self.rules;
        writeln!(f, "a schedule for {} replica(s):", self.replicas)?;
        writeln!(f, "  the server: reuse {reuse:?}, ends access {ends_access}, rotates {rotates}")?;
        writeln!(
            f,
            "  access tokens live {:?}; the store holds a {:?}",
            self.life, self.beginning
        )?;
        writeln!(f, "  a token in doubt is tried again: {}", self.retry_in_doubt)?;
        writeln!(f, "  then: {}", listed(self.happenings.iter().map(|it| format!("{it:?}"))))?;
        let twisted = self.fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::GOOD);
        let fates = twisted.map(|(n, Fate { slowness, twist })| {
            format!("operation {n}: {twist:?} after {slowness} % of its time")
        });
        write!(f, "  meanwhile: {}", listed(fates))
    }
}

fn listed(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { "nothing".into() } else { words.join("; ") }
}
