//! Writes down what is logged, by whichever test of the program.

use std::{
    fmt::{Debug, Write},
    ops::Deref,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<String>>);

static RECORDER: OnceLock<&Recorder> = OnceLock::new();

/// The turn of one test: what others log would be in its way.
pub(crate) struct Recording {
    recorder: &'static Recorder,
    _turn: MutexGuard<'static, ()>,
}

/// From here on everything is written down, at every level and from every crate, and nothing of before. Waits
/// until no other test records.
pub(crate) fn record() -> Recording {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = *RECORDER.get_or_init(|| {
        let recorder: &Recorder = Box::leak(Box::default());
        tracing::subscriber::set_global_default(recorder).unwrap();
        recorder
    });
    recorder.0.lock().unwrap().clear();
    Recording {
        recorder,
        _turn: turn,
    }
}

impl Deref for Recording {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        self.recorder
    }
}

impl Recorder {
    /// All there is so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn write(&self, begin: String, fields: impl FnOnce(&mut Line)) {
        let mut line = Line(begin);
        fields(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for &'static Recorder {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
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
