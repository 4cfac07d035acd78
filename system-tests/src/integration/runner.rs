use std::{
    any::Any,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokio::{task::JoinError, time::timeout};

use super::{
    case::{Case, Ended, Run},
    servers::Servers,
};

/// What bounds a run.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How many cases run at a time.
    pub(super) concurrency: usize,
    /// How long one case may take.
    pub(super) deadline: Duration,
}

impl Limits {
    /// For cases that wait for timers rather than for the processor. A scenario has a deadline of
    /// its own; this is for the conformance suite, which does hundreds of things at once.
    pub(super) fn of_compositions() -> Self {
        Self {
            concurrency: 4 * processors(),
            deadline: Duration::from_secs(180),
        }
    }

    /// For tests that measure how long something takes, and start servers.
    pub(super) fn of_adapter_tests() -> Self {
        Self {
            concurrency: processors(),
            deadline: Duration::from_secs(180),
        }
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the cases and calls `on_end` as each ends. The answer is in the order of `cases`.
pub(super) async fn run(
    cases: Vec<Case>,
    servers: &Arc<Servers>,
    limits: Limits,
    mut on_end: impl FnMut(&Ended),
) -> Vec<Ended> {
    let cases = cases.into_iter().enumerate();
    let running = stream::iter(cases.map(|(number, case)| async move {
        (number, run_one(case, servers, limits.deadline).await)
    }));
    let mut running = running.buffer_unordered(limits.concurrency);
    let mut ended = Vec::new();
    while let Some((number, one)) = running.next().await {
        on_end(&one);
        ended.push((number, one));
    }
    ended.sort_by_key(|(number, _)| *number);
    ended.into_iter().map(|(_, one)| one).collect()
}

async fn run_one(case: Case, servers: &Arc<Servers>, deadline: Duration) -> Ended {
    let began = Instant::now();
    let outcome = outcome_of(case.run, Arc::clone(servers), deadline).await;
    Ended {
        id: case.id,
        outcome,
        took: began.elapsed(),
    }
}

async fn outcome_of(run: Run, servers: Arc<Servers>, deadline: Duration) -> Result<(), String> {
    // A task of its own, so that its panic ends this case and no other.
    let mut task = tokio::spawn(async move { run(servers).await });
    match timeout(deadline, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(explain(error)),
        Err(_) => {
            task.abort();
            Err(format!("did not end within {deadline:?}"))
        }
    }
}

fn explain(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("panicked: {}", panic_message(&*panic)),
        Err(error) => error.to_string(),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    literal.or(formatted).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::{
        future,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use futures::{TryFutureExt, channel::oneshot, future::BoxFuture};

    use super::{super::case::CaseId, *};

    fn case(
        scenario: &'static str,
        run: impl FnOnce() -> BoxFuture<'static, Result<(), String>> + Send + 'static,
    ) -> Case {
        Case {
            id: CaseId {
                pair: "moka+sled".into(),
                read: "sequential",
                write: "sequential",
                mode: "typed",
                scenario: scenario.into(),
            },
            adapters: Vec::new(),
            run: Box::new(move |_| run()),
        }
    }

    fn limits(concurrency: usize, deadline: Duration) -> Limits {
        Limits {
            concurrency,
            deadline,
        }
    }

    fn run(cases: Vec<Case>, limits: Limits, on_end: impl FnMut(&Ended)) -> Vec<Ended> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let servers = Arc::new(runtime.block_on(Servers::start(&[])).unwrap());
        let ended = runtime.block_on(super::run(cases, &servers, limits, on_end));
        runtime.shutdown_background();
        ended
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn failures_and_panics_are_outcomes_of_their_case_alone() {
        let cases = vec![
            case("fails", || {
                Box::pin(async { Err("expected 1, got 2".into()) })
            }),
            case("panics", || Box::pin(async { panic!("at {}", 7) })),
            case("panics at once", || panic!("literal")),
            case("passes", || Box::pin(async { Ok(()) })),
        ];
        let mut seen = 0;
        let ended = run(cases, limits(2, AMPLE), |_| seen += 1);
        let outcomes: Vec<_> = ended.iter().map(|one| one.outcome.clone()).collect();
        let expected = [
            Err("expected 1, got 2".into()),
            Err("panicked: at 7".into()),
            Err("panicked: literal".into()),
            Ok(()),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(seen, 4);
    }

    #[test]
    fn the_answer_is_in_the_order_of_the_cases() {
        let (second_is_noted, wait) = oneshot::channel();
        let mut second_is_noted = Some(second_is_noted);
        let cases = vec![
            case("first", || {
                Box::pin(wait.map_err(|error| error.to_string()))
            }),
            case("second", || Box::pin(async { Ok(()) })),
        ];
        let mut order = Vec::new();
        let ended = run(cases, limits(2, AMPLE), |one| {
            order.push(one.id.scenario.clone());
            if let Some(noted) = second_is_noted.take_if(|_| &*one.id.scenario == "second") {
                noted.send(()).unwrap();
            }
        });
        assert!(ended.iter().all(|one| one.outcome.is_ok()));
        let answer: Vec<_> = ended.iter().map(|one| one.id.scenario.clone()).collect();
        assert_eq!(order, ["second", "first"]);
        assert_eq!(answer, ["first", "second"]);
    }

    #[test]
    fn a_case_that_hangs_fails_at_its_deadline() {
        let hangs = case("hangs", || Box::pin(future::pending()));
        let limits = limits(1, Duration::from_millis(10));
        let ended = run(vec![hangs], limits, |_| {});
        assert_eq!(ended[0].outcome, Err("did not end within 10ms".into()));
    }

    #[test]
    fn no_more_cases_run_at_a_time_than_allowed() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let cases = (0..40).map(|_| {
            let (running, most) = (running.clone(), most.clone());
            case("counts", move || {
                Box::pin(async move {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                })
            })
        });
        let ended = run(cases.collect(), limits(3, AMPLE), |_| {});
        assert!(ended.iter().all(|one| one.outcome.is_ok()));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }
}
