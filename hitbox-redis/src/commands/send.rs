//! How often a request is sent, and what is known of it afterwards.

use redis::{RedisError, RedisResult};
use tokio::time::Instant;

use crate::{
    commands::{
        self,
        learned::{ALWAYS_TAKEN, Learned},
        request::{Answer, Effect, Request, Several, Single},
    },
    connection::{
        link::Link,
        session::Session,
        timer::{Late, done_by},
    },
    error::{
        Cause, Failure, Reply,
        words::{refuses_mget, refuses_several_keys, says_too_long},
    },
};

/// So many connections in a row may turn out to have ended before anything was sent on them.
const MOST_ENDED: u32 = 4;

/// What has come of one attempt.
enum Attempt<R> {
    Reply(RedisResult<R>),
    Silence(Failure),
    /// The connection was given up. The server may have got the request.
    Broken(RedisError),
}

/// What has happened to a request so far.
struct Course {
    doubt: Option<Failure>,
    /// Connections that broke under it.
    broken: u32,
    /// Connections that had ended before it was sent.
    ended: u32,
    /// Servers that were no longer the right ones.
    misplaced: u32,
}

impl Link {
    /// The reply to one command, as [`send`](Self::send) gets it. What may break a connection is read
    /// [alone](Self::alone).
    pub(crate) async fn one(&self, request: &impl Single, until: Instant) -> Reply {
        if let Some(key) = self.to_be_read_alone(request) {
            return self.alone(key, until).await;
        }
        let reply = self.one_shared(request, until).await;
        match (&reply, request.read_key()) {
            (Err(failure), Some(key)) if failure.is_break() => self.alone(key, until).await,
            _ => reply,
        }
    }

    /// The same on this connection, whatever may be read alone.
    pub(crate) async fn one_shared(&self, request: &impl Single, until: Instant) -> Reply {
        let reply = self.send(request, until, None).await;
        let reply = reply.one(request.expects());
        reply.map_err(|failure| failure.at(self.address()))
    }

    /// The key of what had better not be sent on this connection.
    fn to_be_read_alone<'r>(&self, request: &'r impl Single) -> Option<&'r [u8]> {
        let key = request.read_key()?;
        self.learned().share_of(key).map(|_share| key)
    }

    /// The replies to several commands, as [`send`](Self::send) gets them.
    pub(crate) async fn each(
        &self,
        request: &Several,
        until: Instant,
        doubt: Option<Failure>,
    ) -> Vec<Reply> {
        let answer = self.send(request, until, doubt).await;
        let replies = answer.each(request.expects()).into_iter();
        replies
            .map(|reply| reply.map_err(|failure| failure.at(self.address())))
            .collect()
    }

    /// Sends a request, and once again if the connection turns out to be broken.
    ///
    /// What reads may be sent twice. So may what changes something, but then the first attempt may
    /// still be on its way, and take effect last: it is in doubt, unless the connection had ended
    /// before. `doubt` is of an attempt that was made elsewhere.
    pub(crate) async fn send<R: Request>(
        &self,
        request: &R,
        until: Instant,
        doubt: Option<Failure>,
    ) -> Answer<R::Reply> {
        let mut course = Course {
            doubt,
            broken: 0,
            ended: 0,
            misplaced: 0,
        };
        let reply = loop {
            if let Some(reply) = self.go_on(request, until, &mut course).await {
                break reply;
            }
        };
        Answer {
            reply: reply.map_err(|failure| failure.at(self.address())),
            doubt: course.doubt.map(|doubt| doubt.at(self.address())),
        }
    }

    /// One step of it; `None` if there is to be another.
    async fn go_on<R: Request>(
        &self,
        request: &R,
        until: Instant,
        course: &mut Course,
    ) -> Option<Result<R::Reply, Failure>> {
        let longest = request.longest();
        if longest >= self.learned().too_long() {
            return Some(Err(Cause::TooLong { length: longest }.into()));
        }
        let mut session = match self.session(until).await {
            Ok(session) => session,
            Err(failure) => return Some(Err(failure)),
        };
        if session.has_ended() {
            self.replace(&session);
            course.ended += 1;
            return (course.ended > MOST_ENDED).then(|| Err(Cause::NotSent.into()));
        }
        match self.attempt(request, &mut session, until).await {
            Attempt::Reply(reply) => {
                let elsewhere = self.place().is_found_anew()
                    && R::is_misplaced(&reply)
                    && self.look_again(&session);
                if elsewhere && course.misplaced == 0 {
                    course.misplaced += 1;
                    return None;
                }
                Some(self.learn(request, &session, reply))
            }
            Attempt::Silence(failure) => Some(Err(failure)),
            Attempt::Broken(error) => {
                self.replace(&session);
                course.broken += 1;
                let again = self.may_send_again(request, &session, course);
                if !again {
                    return Some(Err(error.into()));
                }
                match request.effect() {
                    Effect::Reads => {}
                    Effect::Changes => _ = course.doubt.get_or_insert_with(|| error.into()),
                }
                None
            }
        }
    }

    /// Whether a request is sent again whose connection broke.
    fn may_send_again(&self, request: &impl Request, session: &Session, course: &Course) -> bool {
        // A runtime that has ended says nothing about the server.
        if session.was_lost_with_its_runtime() {
            return true;
        }
        let longest = request.longest();
        let may_be_too_long = self.learned().may_be_too_long(longest);
        if may_be_too_long {
            self.learned().note_broken(longest, session.number);
        }
        match request.effect() {
            Effect::Reads => course.broken == 1,
            // Of a change that is too long, another connection would break, too.
            Effect::Changes => course.broken == 1 && !may_be_too_long,
        }
    }

    async fn attempt<R: Request>(
        &self,
        request: &R,
        session: &mut Session,
        until: Instant,
    ) -> Attempt<R::Reply> {
        // One timer for both limits: there is a request per read, and a timer costs a lock.
        let reply_by = until.min(Instant::now() + self.settings().limits.attempt);
        let replying = request.send(&mut session.connection);
        let error = match done_by(reply_by, replying).await {
            Ok(Ok(reply)) => {
                session.silence.end();
                return Attempt::Reply(Ok(reply));
            }
            Ok(Err(error)) => error,
            Err(Late::RuntimeEnded) => return Attempt::Silence(Cause::RuntimeEnded.into()),
            Err(Late::Elapsed) => {
                self.note_silence(session);
                return Attempt::Silence(Cause::no_reply(reply_by, until).into());
            }
        };
        if error.is_unrecoverable_error() {
            return Attempt::Broken(error);
        }
        // The server's own words: it answers.
        session.silence.end();
        Attempt::Reply(Err(error))
    }

    /// Notes what a reply says about the length of strings.
    fn learn<R: Request>(
        &self,
        request: &R,
        session: &Session,
        reply: RedisResult<R::Reply>,
    ) -> Result<R::Reply, Failure> {
        let longest = request.longest();
        match reply {
            Ok(reply) => {
                self.learned().note_taken(longest);
                Ok(reply)
            }
            Err(error) if says_too_long(&error) => {
                self.learned().note_refused(longest);
                // The server has hung up, or is about to.
                self.replace(session);
                Err(Cause::TooLong { length: longest }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn learned(&self) -> &Learned {
        &self.settings().learned
    }
}

/// The replies to commands, in their order. What is long, or is read alone, goes by itself: the server may
/// hang up on it.
pub(crate) async fn in_turn<S: Single>(
    link: &Link,
    commands: Vec<S>,
    until: Instant,
) -> Vec<Reply> {
    let mut replies = Vec::with_capacity(commands.len());
    let mut run = Vec::new();
    for command in commands {
        if command.longest() < ALWAYS_TAKEN && link.to_be_read_alone(&command).is_none() {
            run.push(command);
            continue;
        }
        replies.extend(several(link, std::mem::take(&mut run), until).await);
        replies.push(link.one(&command, until).await);
    }
    replies.extend(several(link, run, until).await);
    replies
}

/// The replies to commands that are sent at once, in their order. If connections break under them, each that
/// reads goes alone.
pub(crate) async fn several<S: Single>(
    link: &Link,
    commands: Vec<S>,
    until: Instant,
) -> Vec<Reply> {
    match commands.as_slice() {
        [] => Vec::new(),
        [command] => vec![link.one(command, until).await],
        _ => {
            let keys = commands.iter().map(|command| command.read_key());
            let keys: Vec<_> = keys.map(|key| key.map(<[u8]>::to_vec)).collect();
            let mut replies = link.each(&Several::of(commands), until, None).await;
            for (reply, key) in replies.iter_mut().zip(keys) {
                if let (Err(failure), Some(key)) = (&*reply, key)
                    && failure.is_break()
                {
                    *reply = link.alone(&key, until).await;
                }
            }
            replies
        }
    }
}

/// The values under `keys`: by one MGET, but by a GET of each key that is long, or is read alone, since the
/// server may hang up on it.
pub(crate) async fn values(link: &Link, keys: &[impl AsRef<str>], until: Instant) -> Vec<Reply> {
    let learned = &link.settings().learned;
    let keys = keys.iter().map(AsRef::as_ref);
    let go_together: Vec<bool> = keys
        .clone()
        .map(|key| key.len() < ALWAYS_TAKEN && learned.share_of(key.as_bytes()).is_none())
        .collect();
    let (mut together, mut apart) = (Vec::with_capacity(keys.len()), Vec::new());
    for (key, goes_together) in keys.zip(&go_together) {
        match goes_together {
            true => together.push(key),
            false => apart.push(commands::get(key)),
        }
    }
    let mut of_together = values_together(link, &together, until).await;
    if apart.is_empty() {
        return of_together;
    }
    let mut of_apart = in_turn(link, apart, until).await;
    let (mut of_together, mut of_apart) = (of_together.drain(..), of_apart.drain(..));
    let replies = go_together.into_iter().map(|together| match together {
        true => of_together.next(),
        false => of_apart.next(),
    });
    replies
        .map(|reply| reply.unwrap_or_else(|| Err(Cause::UnexpectedReply.into())))
        .collect()
}

/// The values under `keys`: by one MGET, or where the server refuses that, by a GET of each, or where it hangs
/// up on it, [apart](Link::apart). So a key that may not be read is no other's trouble.
async fn values_together(link: &Link, keys: &[&str], until: Instant) -> Vec<Reply> {
    if keys.is_empty() {
        return Vec::new();
    }
    let (count, learned) = (keys.len(), &link.settings().learned);
    if learned.takes_mget() {
        if learned.are_too_many(count) {
            return link.apart(keys, until).await;
        }
        let get_many = commands::get_many(keys.iter().copied());
        let reply = link.one(&get_many, until).await;
        let failure = match reply.and_then(|reply| commands::found_many(reply, count)) {
            Ok(values) => return values.into_iter().map(Ok).collect(),
            Err(failure) => failure,
        };
        if failure.is_break() {
            let replies = link.apart(keys, until).await;
            if replies.iter().all(Result::is_ok) {
                learned.note_too_many(count);
            }
            return replies;
        }
        let Some(error) = failure.server_error().filter(|e| refuses_several_keys(e)) else {
            return vec![Err(failure.at(link.address())); count];
        };
        if refuses_mget(error) {
            learned.note_mget_refused();
        }
    }
    several(link, keys.iter().map(commands::get).collect(), until).await
}
