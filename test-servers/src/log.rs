//! Writes down what is logged.

use std::{
    fmt::{Debug, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, ThreadId},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// A subscriber that keeps each event as a line: its level and its fields, as in `WARN message=circuit opened
/// calls=reads`. A span that is entered in the log is one, too, with its name behind the level; what it is told later
/// begins with `later`. Clones share the lines.
#[derive(Clone, Debug)]
pub struct Recorder {
    lines: Arc<Mutex<Vec<(ThreadId, String)>>>,
    wanted: fn(&Metadata<'_>) -> bool,
}

/// Writes down what this whole program logs from here on, at every level and from every crate.
///
/// # Panics
///
/// If the program has another global subscriber.
pub fn record_all() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = Recorder::of(|_| true);
        tracing::subscriber::set_global_default(recorder.clone())
            .expect("the program has another global subscriber");
        recorder
    })
}

impl Recorder {
    /// Of what `wanted` says, once it is told what this thread or this program logs.
    pub fn of(wanted: fn(&Metadata<'_>) -> bool) -> Self {
        Self {
            lines: Arc::default(),
            wanted,
        }
    }

    /// Writes down what this thread logs of what `wanted` says, until the guard is dropped.
    #[must_use]
    pub fn on_this_thread(wanted: fn(&Metadata<'_>) -> bool) -> (Self, DefaultGuard) {
        let recorder = Self::of(wanted);
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    /// All lines so far that nobody has taken.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Takes all lines.
    pub fn take(&self) -> Vec<String> {
        let taken = mem::take(&mut *self.lock());
        taken.into_iter().map(|(_, line)| line).collect()
    }

    /// Takes the lines that this thread has logged: those of one test, where each has a thread of its own.
    pub fn take_of_this_thread(&self) -> Vec<String> {
        let this = thread::current().id();
        let mut lines = self.lock();
        let taken = lines.extract_if(.., |(thread, _)| *thread == this);
        taken.map(|(_, line)| line).collect()
    }

    fn write(&self, begin: String, fields: impl FnOnce(&mut Line)) {
        let mut line = Line(begin);
        fields(&mut line);
        self.lock().push((thread::current().id(), line.0));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ThreadId, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A string takes what it is given.
        let _written = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (self.wanted)(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let metadata = span.metadata();
        let begin = format!("{} {}", metadata.level(), metadata.name());
        self.write(begin, |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        self.write(String::from("later"), |line| values.record(line));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let begin = event.metadata().level().to_string();
        self.write(begin, |line| event.record(line));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_wanted_is_a_line_with_its_fields() {
        let (recorder, guard) =
            Recorder::on_this_thread(|metadata| *metadata.level() <= Level::INFO);
        tracing::warn!(count = 2, "seen");
        tracing::debug!("not wanted");
        let span = tracing::info_span!("call", key = tracing::field::Empty);
        span.record("key", "k");
        let lines = ["WARN message=seen count=2", "INFO call", "later key=\"k\""];
        assert_eq!(recorder.lines(), lines);
        assert_eq!(recorder.take(), lines);
        assert_eq!(recorder.take(), [""; 0]);
        drop(guard);
        tracing::warn!("afterwards");
        assert_eq!(recorder.take(), [""; 0]);
    }

    #[test]
    fn lines_of_other_threads_stay() {
        let recorder = record_all();
        tracing::info!("here");
        thread::spawn(|| tracing::info!("elsewhere"))
            .join()
            .unwrap();
        assert_eq!(recorder.take_of_this_thread(), ["INFO message=here"]);
        let others = recorder.lines();
        assert!(
            others.contains(&String::from("INFO message=elsewhere")),
            "{others:?}"
        );
    }
}
