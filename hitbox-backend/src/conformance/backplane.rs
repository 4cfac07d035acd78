//! The suite for logs of news.

use std::{fmt, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, join},
};
use hitbox_core::{CacheKey, Stamp};

use super::{
    CheckOutcome, Report,
    check::{CheckResult, DEADLINE, Stop, violation},
};
use crate::coherence::{Backplane, Heard, Mark, News, Origin};

type Announce = dyn Fn(Vec<News>) -> BoxFuture<'static, ()> + Send + Sync;
type Disturb = dyn Fn() -> BoxFuture<'static, ()> + Send + Sync;

/// Longer than a question is answered in where there is something to hear.
const PATIENT: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(20);

/// More than an answer has room for.
const MANY: usize = 2_500;

/// A [`Backplane`] to be checked, and what its tests can do to its log.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use hitbox_backend::{
///     coherence::{LocalBackplane, News},
///     conformance::BackplaneSubject,
/// };
///
/// let plane = LocalBackplane::new();
/// let (announcing, forgetting) = (plane.clone(), plane.clone());
/// let subject = BackplaneSubject::new(plane, move |news| {
///     for news in news {
///         let News::Changed { key, origin, stamp } = news else { continue };
///         announcing.announce(key, origin, stamp);
///     }
///     async {}
/// });
/// subject
///     .forget_with(move || {
///         forgetting.forget();
///         async {}
///     })
///     .assert_conforms()
///     .await;
/// # });
/// ```
#[derive(Clone)]
pub struct BackplaneSubject {
    plane: Arc<dyn Backplane>,
    announce: Arc<Announce>,
    forget: Option<Arc<Disturb>>,
    spoil: Option<Arc<Disturb>>,
}

impl BackplaneSubject {
    /// A subject with a log that nobody else announces to, and how to announce there: in this order, and so that it is in
    /// the answer to every question that is asked once the future is done.
    pub fn new<P, A, F>(plane: P, announce: A) -> Self
    where
        P: Backplane + 'static,
        A: Fn(Vec<News>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            plane: Arc::new(plane),
            announce: Arc::new(move |news| announce(news).boxed()),
            forget: None,
            spoil: None,
        }
    }

    /// Tells the suite how to take everything out of the log behind the backplane's back.
    #[must_use]
    pub fn forget_with<D, F>(mut self, forget: D) -> Self
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.forget = Some(Arc::new(move || forget().boxed()));
        self
    }

    /// Tells the suite how to add to the log what nobody can read.
    #[must_use]
    pub fn spoil_with<D, F>(mut self, spoil: D) -> Self
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.spoil = Some(Arc::new(move || spoil().boxed()));
        self
    }

    /// Runs all checks, one after another.
    pub async fn report(&self) -> Report {
        let mut outcomes = Vec::new();
        for (name, body) in CHECKS {
            let body = AssertUnwindSafe(body(self)).catch_unwind();
            let outcome = match tokio::time::timeout(DEADLINE, body).await {
                Ok(Ok(Ok(()))) => CheckOutcome::Passed,
                Ok(Ok(Err(Stop::NotCalledFor(reason)))) => CheckOutcome::NotCalledFor(reason),
                Ok(Ok(Err(Stop::Violation(message)))) => CheckOutcome::Failed(message),
                Ok(Err(_panic)) => CheckOutcome::Failed(String::from("panicked")),
                Err(_) => CheckOutcome::Failed(format!("did not end within {DEADLINE:?}")),
            };
            outcomes.push((*name, outcome));
        }
        Report::new(self.plane.label(), outcomes)
    }

    /// Runs all checks, and prints how each came out.
    ///
    /// # Panics
    ///
    /// If one failed.
    pub async fn assert_conforms(&self) {
        let report = self.report().await;
        println!("{report}");
        assert!(report.conforms(), "{report}");
    }

    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> Result<Heard, Stop> {
        let heard = self.plane.ask(mark, patience).await;
        heard.map_err(|error| violation!("ask failed: {error}"))
    }

    /// A mark to go on from.
    async fn begin(&self) -> Result<Mark, Stop> {
        let heard = self.ask(None, BRIEF).await?;
        if heard.follows || !heard.news.is_empty() || !heard.complete {
            return Err(violation!("without a mark the answer was {heard:?}"));
        }
        Ok(heard.mark)
    }

    async fn announce(&self, names: impl IntoIterator<Item = usize>) -> Vec<News> {
        let news: Vec<_> = names.into_iter().map(changed).collect();
        (self.announce)(news.clone()).await;
        news
    }

    async fn forget(&self) -> CheckResult {
        disturb(self.forget.as_ref(), "the subject has no `forget_with`").await
    }

    async fn spoil(&self) -> CheckResult {
        disturb(self.spoil.as_ref(), "the subject has no `spoil_with`").await
    }
}

async fn disturb(how: Option<&Arc<Disturb>>, missing: &'static str) -> CheckResult {
    how.ok_or(Stop::NotCalledFor(missing))?().await;
    Ok(())
}

impl fmt::Debug for BackplaneSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneSubject")
            .field("plane", &self.plane.label())
            .finish_non_exhaustive()
    }
}

fn changed(name: usize) -> News {
    News::Changed {
        key: CacheKey::from_pair("id", name.to_string()),
        origin: Origin::from_bits(name as u64),
        stamp: Stamp::now(),
    }
}

type Body = for<'s> fn(&'s BackplaneSubject) -> BoxFuture<'s, CheckResult>;

const CHECKS: &[(&str, Body)] = &[
    ("backplane::the_end_of_the_log_is_a_mark", |subject| {
        Box::pin(the_end_of_the_log_is_a_mark(subject))
    }),
    ("backplane::news_are_heard_once_and_in_order", |subject| {
        Box::pin(news_are_heard_once_and_in_order(subject))
    }),
    ("backplane::who_waits_hears_soon", |subject| {
        Box::pin(who_waits_hears_soon(subject))
    }),
    ("backplane::everybody_hears", |subject| {
        Box::pin(everybody_hears(subject))
    }),
    ("backplane::more_than_an_answer_takes", |subject| {
        Box::pin(more_than_an_answer_takes(subject))
    }),
    ("backplane::a_question_that_is_dropped", |subject| {
        Box::pin(a_question_that_is_dropped(subject))
    }),
    ("backplane::a_log_that_is_lost_is_a_gap", |subject| {
        Box::pin(a_log_that_is_lost_is_a_gap(subject))
    }),
    ("backplane::a_log_that_is_replaced_is_a_gap", |subject| {
        Box::pin(a_log_that_is_replaced_is_a_gap(subject))
    }),
    ("backplane::what_cannot_be_read_is_a_gap", |subject| {
        Box::pin(what_cannot_be_read_is_a_gap(subject))
    }),
];

async fn the_end_of_the_log_is_a_mark(subject: &BackplaneSubject) -> CheckResult {
    let first = subject.begin().await?;
    let silence = subject.ask(Some(&first), BRIEF).await?;
    expect(&silence, true, &[])?;
    subject.announce(0..3).await;
    let mark = subject.begin().await?;
    expect(&subject.ask(Some(&mark), BRIEF).await?, true, &[])
}

async fn news_are_heard_once_and_in_order(subject: &BackplaneSubject) -> CheckResult {
    let mut mark = subject.begin().await?;
    for names in [0..1, 1..4, 4..104] {
        let mut announced = subject.announce(names.clone()).await;
        announced.extend(subject.announce(names).await);
        let heard = subject.ask(Some(&mark), PATIENT).await?;
        expect(&heard, true, &announced)?;
        // An answer that has been lost is asked for again.
        expect(&subject.ask(Some(&mark), PATIENT).await?, true, &announced)?;
        mark = heard.mark;
    }
    expect(&subject.ask(Some(&mark), BRIEF).await?, true, &[])
}

async fn who_waits_hears_soon(subject: &BackplaneSubject) -> CheckResult {
    let mark = subject.begin().await?;
    let asked = async {
        let began = tokio::time::Instant::now();
        let heard = subject.ask(Some(&mark), PATIENT).await;
        (heard, began.elapsed())
    };
    let announced = async {
        tokio::time::sleep(BRIEF).await;
        subject.announce(0..1).await
    };
    let ((heard, took), announced) = join(asked, announced).await;
    expect(&heard?, true, &announced)?;
    if took >= PATIENT {
        return Err(violation!("it waited for all of {took:?}"));
    }
    Ok(())
}

async fn everybody_hears(subject: &BackplaneSubject) -> CheckResult {
    let mark = subject.begin().await?;
    let asked = join(
        subject.ask(Some(&mark), PATIENT),
        subject.ask(Some(&mark), PATIENT),
    );
    let ((one, two), announced) = join(asked, subject.announce(0..1)).await;
    let (one, two) = (one?, two?);
    expect(&one, true, &announced)?;
    expect(&two, true, &announced)
}

async fn more_than_an_answer_takes(subject: &BackplaneSubject) -> CheckResult {
    let mut mark = subject.begin().await?;
    // In many entries, whatever goes into one.
    let mut announced = Vec::new();
    for name in 0..MANY {
        announced.extend(subject.announce([name]).await);
    }
    let (mut news, mut answers) = (Vec::new(), 0);
    loop {
        let heard = subject.ask(Some(&mark), PATIENT).await?;
        if !heard.follows {
            return Err(violation!("a gap after {} news", news.len()));
        }
        news.extend(heard.news);
        answers += 1;
        mark = heard.mark;
        if heard.complete {
            break;
        }
        if answers > MANY {
            return Err(violation!("no answer of {answers} was complete"));
        }
    }
    if news != announced {
        let (heard, count) = (news.len(), announced.len());
        return Err(violation!(
            "heard {heard} news of {count}, or in another order"
        ));
    }
    Ok(())
}

async fn a_question_that_is_dropped(subject: &BackplaneSubject) -> CheckResult {
    let mark = subject.begin().await?;
    let question = subject.ask(Some(&mark), BRIEF * 10);
    let _dropped = tokio::time::timeout(BRIEF, question).await;
    let announced = subject.announce(0..1).await;
    expect(&subject.ask(Some(&mark), PATIENT).await?, true, &announced)
}

async fn a_log_that_is_lost_is_a_gap(subject: &BackplaneSubject) -> CheckResult {
    let mark = subject.begin().await?;
    subject.announce(0..3).await;
    subject.forget().await?;
    goes_on_after_a_gap(subject, &mark).await
}

async fn a_log_that_is_replaced_is_a_gap(subject: &BackplaneSubject) -> CheckResult {
    for _ in 0..50 {
        let mark = subject.begin().await?;
        subject.announce(0..3).await;
        subject.forget().await?;
        subject.announce(3..6).await;
        goes_on_after_a_gap(subject, &mark).await?;
    }
    Ok(())
}

async fn what_cannot_be_read_is_a_gap(subject: &BackplaneSubject) -> CheckResult {
    let mark = subject.begin().await?;
    subject.announce(0..1).await;
    subject.spoil().await?;
    subject.announce(1..2).await;
    goes_on_after_a_gap(subject, &mark).await
}

async fn goes_on_after_a_gap(subject: &BackplaneSubject, mark: &Mark) -> CheckResult {
    let heard = subject.ask(Some(mark), BRIEF).await?;
    if heard.follows || !heard.complete {
        return Err(violation!("news were missed, and the answer was {heard:?}"));
    }
    let announced = subject.announce(9..11).await;
    expect(
        &subject.ask(Some(&heard.mark), PATIENT).await?,
        true,
        &announced,
    )
}

fn expect(heard: &Heard, follows: bool, news: &[News]) -> CheckResult {
    if heard.follows == follows && heard.complete && heard.news == news {
        return Ok(());
    }
    Err(violation!(
        "expected {} news, and the answer was {heard:?}",
        news.len()
    ))
}
