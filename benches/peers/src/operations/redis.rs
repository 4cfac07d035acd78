//! A read that Redis answers, beside a GET, and a composed set, beside a SET: one after another, and by
//! many tasks.

use std::{cell::RefCell, rc::Rc};

use hitbox_benches::{
    Case, Contest, Counts, Failure, Runner, bodies::Size, keys, questions::concurrent::LAP, runtime,
};
use test_servers::redis::SharedRedis;
use tokio::runtime::Runtime;

use super::{name, quick};
use crate::subjects::{cached, hitbox_0_2, multi_tier, ours, raw};

/// Enough that a lap of many tasks does not keep asking for the same few.
const KEYS: usize = 1_024;

const MANY: usize = 64;

struct Stage<'s> {
    runtime: &'s Rc<Runtime>,
    url: &'s str,
    namespace: &'s str,
    tasks: usize,
    size: Size,
}

impl Stage<'_> {
    /// The names of this subject's keys.
    fn names(&self, subject: &str) -> Vec<String> {
        let named = |text| format!("{}-{subject}:{text}", self.namespace);
        keys::texts(KEYS).into_iter().map(named).collect()
    }
}

type Build = fn(&Stage<'_>) -> Result<Runner, Failure>;

/// What is done, by whom, and what it is compared with.
struct Operation {
    name: &'static str,
    floor: Build,
    subjects: &'static [(&'static str, Build)],
}

const HIT: Operation = Operation {
    name: "hit in Redis",
    floor: |stage| {
        let names = stage.names("raw");
        raw::gets(stage.runtime, stage.url, names, stage.tasks, stage.size)
    },
    subjects: &READERS,
};

const SET: Operation = Operation {
    name: "composed set to Redis",
    floor: |stage| {
        let names = stage.names("raw");
        raw::redis_sets(stage.runtime, stage.url, names, stage.tasks, stage.size)
    },
    subjects: &WRITERS,
};

/// cached has one layer by itself, and is therefore not among these.
const WRITERS: [(&str, Build); 3] = [
    ("multi-tier-cache, JSON", |stage| {
        let names = stage.names("multi-tier");
        multi_tier::redis_sets(stage.runtime, stage.url, names, stage.tasks, stage.size)
    }),
    ("hitbox 0.2, bincode", |stage| {
        let prefix = format!("{}-02", stage.namespace);
        let (url, tasks, size) = (stage.url, stage.tasks, stage.size);
        hitbox_0_2::redis_sets(stage.runtime, url, &prefix, KEYS, tasks, size)
    }),
    ("this checkout", |stage| {
        let (url, tasks, size) = (stage.url, stage.tasks, stage.size);
        ours::redis_sets(stage.runtime, url, stage.namespace, KEYS, tasks, size)
    }),
];

const READERS: [(&str, Build); 4] = [
    ("cached, Redis store", |stage| {
        let names = stage.names("cached");
        cached::redis_reads(stage.runtime, stage.url, names, stage.tasks, stage.size)
    }),
    ("multi-tier-cache, second tier, typed", |stage| {
        let names = stage.names("multi-tier");
        multi_tier::redis_reads(stage.runtime, stage.url, names, stage.tasks, stage.size)
    }),
    ("hitbox 0.2, composed, bincode", |stage| {
        let prefix = format!("{}-02", stage.namespace);
        let (url, tasks, size) = (stage.url, stage.tasks, stage.size);
        hitbox_0_2::redis_reads(stage.runtime, url, &prefix, KEYS, tasks, size)
    }),
    ("this checkout, composed", |stage| {
        let (url, tasks, size) = (stage.url, stage.tasks, stage.size);
        ours::redis_reads(stage.runtime, url, stage.namespace, KEYS, tasks, size)
    }),
];

/// Opened by the first case that is measured, and then the same for all.
type Server = Rc<RefCell<Option<Rc<SharedRedis>>>>;

fn opened(server: &Server) -> Result<Rc<SharedRedis>, Failure> {
    let mut server = server.borrow_mut();
    if let Some(server) = &*server {
        return Ok(Rc::clone(server));
    }
    let opened = Rc::new(crate::server()?);
    *server = Some(Rc::clone(&opened));
    Ok(opened)
}

fn case(
    server: &Server,
    operation: &Operation,
    tasks: usize,
    size: Size,
    (subject, build): (&str, Build),
) -> Case {
    let plural = if tasks == 1 { "task" } else { "tasks" };
    let (what, floor) = (operation.name, operation.floor);
    let what = format!("{what}, {tasks} {plural}");
    let server = Rc::clone(server);
    let case = Case::contest(name(&what, size, subject), move || {
        let (server, runtime) = (opened(&server)?, runtime()?);
        let stage = Stage {
            runtime: &runtime,
            url: server.url(),
            namespace: server.namespace(),
            tasks,
            size,
        };
        let contest = Contest::between(build(&stage)?, floor(&stage)?);
        Ok(if tasks == 1 {
            contest
        } else {
            contest.in_chunks_of(LAP)
        })
    });
    let case = quick(case.counts(Counts::Nothing), size);
    if tasks == 1 {
        case
    } else {
        case.as_throughput()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let server = Server::default();
    let mut cases = Vec::new();
    for operation in [HIT, SET] {
        for tasks in [1, MANY] {
            for size in Size::USUAL {
                let of = |&subject| case(&server, &operation, tasks, size, subject);
                cases.extend(operation.subjects.iter().map(of));
            }
        }
    }
    cases
}
