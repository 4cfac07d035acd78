//! Auto-pipelining: commands of several tasks go to the server together.
//!
//! A request has its price whatever is in it: a place in the client's queue, a reply to be told of, a
//! timer. Where many tasks send at a time, that is most of what a command costs. So one that finds
//! enough others on their way lets the tasks run that are about to, and goes with what they send.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use redis::Value;
use tokio::{sync::oneshot, task::yield_now, time::Instant};

use crate::{
    commands::batched::{Batched, Replies},
    connection::{link::Link, timer::done_by},
    error::{Cause, Reply},
};

/// While fewer are on their way, a command goes by itself: it has nobody to go with.
const BATCH_THRESHOLD: usize = 8;

/// So many commands go by themselves after one that waited for others and found none. Where they come
/// in one by one, however many, waiting would be for nothing.
const LONE_SENDS: u32 = 16;

/// What waits for longer waits for a runtime that has been stopped: it is sent within another one.
const STALL_LIMIT: Duration = Duration::from_millis(2);

/// What is in one batch is answered at one time, so the first of it waits for the last.
const MOST_COMMANDS: usize = 64;
const MOST_BYTES: usize = 256 << 10;

/// Commands of one kind to one server, sent together where that is worth it.
///
/// They are handed to the connection in the order in which they came, and those that nobody waits for
/// any more are not sent.
pub(crate) struct AutoPipeline<C> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    link: Link,
    queue: Mutex<Queue<C>>,
}

struct Queue<C> {
    /// Not empty only while there is a [`FlushTask`].
    waiting: Vec<Waiting<C>>,
    /// How many commands have been sent and not been answered.
    in_flight: usize,
    /// So many of the next commands need not wait for others.
    lone_sends: u32,
    /// How long the replies have been lately.
    usual_reply: usize,
}

struct Waiting<C> {
    command: C,
    reply: oneshot::Sender<Reply>,
    until: Instant,
}

/// Commands that are sent together.
struct Batch<C> {
    commands: Vec<C>,
    replies: Vec<oneshot::Sender<Reply>>,
    until: Instant,
}

/// Commands on their way, for as long as this is kept.
pub(crate) struct InFlight<'s, C> {
    shared: &'s Shared<C>,
    commands: usize,
}

impl<C: Batched> AutoPipeline<C> {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            shared: Arc::new(Shared {
                link,
                queue: Mutex::new(Queue {
                    waiting: Vec::new(),
                    in_flight: 0,
                    lone_sends: 0,
                    usual_reply: 0,
                }),
            }),
        }
    }

    /// `None` if the next command should go with others.
    pub(crate) fn send_now(&self) -> Option<InFlight<'_, C>> {
        let mut queue = self.shared.lock();
        // Not past those that wait: commands are carried out in their order.
        if !queue.waiting.is_empty() {
            return None;
        }
        if queue.in_flight >= BATCH_THRESHOLD {
            queue.lone_sends = queue.lone_sends.checked_sub(1)?;
        }
        queue.in_flight += 1;
        Some(InFlight {
            shared: &self.shared,
            commands: 1,
        })
    }

    /// Sends a command with what others send before this task runs again.
    pub(crate) async fn enqueue(&self, command: C, until: Instant) -> Reply {
        let (reply, replied) = oneshot::channel();
        let wants_flush = {
            let mut queue = self.shared.lock();
            queue.waiting.push(Waiting {
                command,
                reply,
                until,
            });
            queue.waiting.len() == 1 || queue.waiting[0].until + STALL_LIMIT < until
        };
        if wants_flush {
            FlushTask::new(&self.shared, Stage::Begun).spawn();
        }
        // The task that sends has a timer, too, but its runtime may be another one, which has stopped.
        let replied = done_by(until, replied).await?;
        replied.unwrap_or_else(|_gone| Err(Cause::Abandoned.into()))
    }

    /// What is handed to the connection from here on comes after what has been taken off the queue.
    pub(crate) fn after_flush(&self) {
        drop(self.shared.lock());
    }
}

/// A task that sends what waits. If it is dropped before it has done so, as its runtime ends, another
/// runtime does the rest.
struct FlushTask<C: Batched> {
    shared: Arc<Shared<C>>,
    stage: Stage<C>,
}

enum Stage<C: Batched> {
    Begun,
    /// It waits for the replies.
    Sent(Sent<C>),
    Done,
}

/// A batch that has been handed to the connection.
struct Sent<C: Batched> {
    packed: Arc<C::Packed>,
    replies: Vec<oneshot::Sender<Reply>>,
    until: Instant,
}

enum Replying {
    Done(Replies),
    Pending(Pin<Box<dyn Future<Output = Replies> + Send>>),
}

impl<C: Batched> FlushTask<C> {
    fn new(shared: &Arc<Shared<C>>, stage: Stage<C>) -> Self {
        Self {
            shared: Arc::clone(shared),
            stage,
        }
    }

    fn spawn(self) {
        let shared = Arc::clone(&self.shared);
        shared.link.settings().home.spawn(self.run());
    }

    async fn run(mut self) {
        let replying = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return,
            Stage::Begun => {
                self.stage = Stage::Begun;
                // Tasks that are about to run add to it.
                yield_now().await;
                poll_fn(|context| Poll::Ready(self.send(context))).await
            }
            Stage::Sent(sent) => {
                let replying = self.send_again(&sent);
                self.stage = Stage::Sent(sent);
                Some(replying)
            }
        };
        let Some(replying) = replying else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let _in_flight = InFlight {
            shared: &shared,
            commands: self.sent(),
        };
        let outcomes = match replying {
            Replying::Done(outcomes) => outcomes,
            Replying::Pending(replying) => replying.await,
        };
        self.shared.lock().note_replies(&outcomes);
        if let Stage::Sent(sent) = mem::replace(&mut self.stage, Stage::Done) {
            for (reply, outcome) in sent.replies.into_iter().zip(outcomes) {
                // Whoever waited for it may be gone.
                let _ = reply.send(outcome);
            }
        }
    }

    /// Hands to the connection as much of what waits as makes one batch, if it is waited for.
    fn send(&mut self, context: &mut Context<'_>) -> Option<Replying> {
        let shared = Arc::clone(&self.shared);
        // All under one lock: a command that finds nobody waiting is sent after these.
        let mut queue = shared.lock();
        self.stage = Stage::Done;
        let Batch {
            commands,
            replies,
            until,
        } = queue.take_batch()?;
        queue.in_flight += commands.len();
        let packed = Arc::new(C::pack(commands));
        let exchange = C::exchange(Arc::clone(&packed), shared.link.clone(), until, None);
        self.stage = Stage::Sent(Sent {
            packed,
            replies,
            until,
        });
        let mut replying: Pin<Box<dyn Future<Output = Replies> + Send>> = Box::pin(exchange);
        let replying = match replying.as_mut().poll(context) {
            Poll::Ready(outcomes) => Replying::Done(outcomes),
            Poll::Pending => Replying::Pending(replying),
        };
        let leaves_more = !queue.waiting.is_empty();
        drop(queue);
        if leaves_more {
            Self::new(&shared, Stage::Begun).spawn();
        }
        Some(replying)
    }

    /// What the runtime that has ended may have sent.
    fn send_again(&self, sent: &Sent<C>) -> Replying {
        self.shared.lock().in_flight += sent.replies.len();
        Replying::Pending(Box::pin(C::exchange(
            Arc::clone(&sent.packed),
            self.shared.link.clone(),
            sent.until,
            Some(Cause::Abandoned.into()),
        )))
    }

    fn sent(&self) -> usize {
        match &self.stage {
            Stage::Sent(sent) => sent.replies.len(),
            Stage::Begun | Stage::Done => 0,
        }
    }
}

impl<C: Batched> Drop for FlushTask<C> {
    fn drop(&mut self) {
        let stage = mem::replace(&mut self.stage, Stage::Done);
        match stage {
            Stage::Done => {}
            Stage::Begun | Stage::Sent(_) => {
                let home = &self.shared.link.settings().home;
                home.runtime_ended();
                match home.own() {
                    Some(runtime) if !thread::panicking() => {
                        runtime.spawn(Self::new(&self.shared, stage).run());
                    }
                    // Whoever waits is told.
                    _ => drop(mem::take(&mut self.shared.lock().waiting)),
                }
            }
        }
    }
}

impl<C> Shared<C> {
    fn lock(&self) -> MutexGuard<'_, Queue<C>> {
        // Nothing is left half done in it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Batched> Queue<C> {
    /// The first of those that wait and are waited for.
    fn take_batch(&mut self) -> Option<Batch<C>> {
        // On a runtime that has been stopped, nobody gives up.
        let now = Instant::now();
        self.waiting
            .retain(|waiting| !waiting.reply.is_closed() && waiting.until > now);
        // They came in this order, and have the same deadline. Each keeps its own.
        let until = self.waiting.last()?.until;
        let mut bytes = 0;
        let fit = self.waiting.iter().take(MOST_COMMANDS).take_while(|next| {
            let is_first = bytes == 0;
            bytes += next.command.length() + self.usual_reply;
            is_first || bytes <= MOST_BYTES
        });
        let count = fit.count();
        if count == 1 && self.waiting.len() == 1 {
            self.lone_sends = LONE_SENDS;
        }
        let mut batch = Batch {
            commands: Vec::with_capacity(count),
            replies: Vec::with_capacity(count),
            until,
        };
        for waiting in self.waiting.drain(..count) {
            batch.commands.push(waiting.command);
            batch.replies.push(waiting.reply);
        }
        Some(batch)
    }

    fn note_replies(&mut self, outcomes: &[Reply]) {
        let length = |outcome: &Reply| match outcome {
            Ok(Value::BulkString(bytes)) => bytes.len(),
            Ok(_) | Err(_) => 0,
        };
        let average = outcomes.iter().map(length).sum::<usize>() / outcomes.len().max(1);
        // Up at once, down by and by.
        self.usual_reply = average.max(self.usual_reply - self.usual_reply / 8);
    }
}

impl<C> Drop for InFlight<'_, C> {
    fn drop(&mut self) {
        self.shared.lock().in_flight -= self.commands;
    }
}
