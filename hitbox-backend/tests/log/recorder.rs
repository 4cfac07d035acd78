use std::{
    fmt::{Debug, Write},
    sync::{Mutex, OnceLock},
    thread::{self, ThreadId},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes down all there is, of each test apart: each has a thread of its own.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<(ThreadId, String)>>);

static RECORDER: OnceLock<&Recorder> = OnceLock::new();

/// From here on everything is written down.
pub(crate) fn record() -> &'static Recorder {
    RECORDER.get_or_init(|| {
        let recorder: &Recorder = Box::leak(Box::default());
        tracing::subscriber::set_global_default(recorder).unwrap();
        recorder
    })
}

impl Recorder {
    /// What this test has made be written since it last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        let this = thread::current().id();
        let mut lines = self.0.lock().unwrap();
        let (taken, others) = lines.drain(..).partition(|(thread, _)| *thread == this);
        *lines = others;
        let taken: Vec<(ThreadId, String)> = taken;
        taken.into_iter().map(|(_, line)| line).collect()
    }

    fn write(&self, begin: String, fields: impl FnOnce(&mut Line)) {
        let mut line = Line(begin);
        fields(&mut line);
        let mut lines = self.0.lock().unwrap();
        lines.push((thread::current().id(), line.0));
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
