use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::country::Route;

/// Where a route came from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    Sled,
    DynamoDb,
    Computed,
}

/// What the jobs come to.
pub(crate) struct Tally {
    began: Instant,
    time: Duration,
    from_sled: u64,
    from_dynamodb: u64,
    computed: u64,
    minutes: u64,
}

impl Tally {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            time: Duration::ZERO,
            from_sled: 0,
            from_dynamodb: 0,
            computed: 0,
            minutes: 0,
        }
    }

    pub(crate) fn add(&mut self, route: &Route, origin: Origin) {
        match origin {
            Origin::Sled => self.from_sled += 1,
            Origin::DynamoDb => self.from_dynamodb += 1,
            Origin::Computed => self.computed += 1,
        }
        self.minutes += u64::from(route.minutes);
    }

    pub(crate) fn end(mut self) -> Self {
        self.time = self.began.elapsed();
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            began: _,
            time,
            from_sled,
            from_dynamodb,
            computed,
            minutes,
        } = self;
        let jobs = from_sled + from_dynamodb + computed;
        write!(
            f,
            "{jobs} jobs done: {from_sled} routes from sled, {from_dynamodb} from dynamodb, \
             {computed} computed; {minutes} minutes of driving, planned in {:.3} s",
            time.as_secs_f64()
        )
    }
}
