use super::found::{Found, Window};
use crate::status::{Status, Why};

/// What a caller does with what he has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// He answers with the value, at once.
    Answer(Status, Background),
    /// He answers, at once, that there is no such thing.
    Absent,
    /// He waits for a load. If it fails, or is slow, the value is the answer, so far as it
    /// [may be](super::may_fall_back) by then.
    LoadOrFallBack,
    /// He waits for a load, and has nothing else.
    Load,
}

/// Whether a load is to be begun that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Background {
    Load,
    Nothing,
}

/// Whether a load of the key has failed so short a time ago that no other is begun where there is a value to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttled {
    Yes,
    No,
}

/// All of staleness in one place. The table in the tests below says it once more.
pub(crate) const fn decide(found: Found, throttled: Throttled) -> Decision {
    use Window::{Beyond, Within};
    match (found, throttled) {
        (Found::Nothing, _) => Decision::Load,
        (Found::Absence, _) => Decision::Absent,
        (Found::Fresh, _) | (Found::Due, Throttled::Yes) => {
            Decision::Answer(Status::Hit, Background::Nothing)
        }
        (Found::Due, Throttled::No) => Decision::Answer(Status::Hit, Background::Load),
        (
            Found::Stale {
                revalidate: Beyond,
                on_error: Beyond,
            }
            | Found::Expired { on_error: Beyond },
            _,
        ) => Decision::Load,
        (Found::Stale { .. } | Found::Expired { on_error: Within }, Throttled::Yes) => {
            Decision::Answer(Status::Stale(Why::Throttled), Background::Nothing)
        }
        (
            Found::Stale {
                revalidate: Within,
                on_error: _,
            },
            Throttled::No,
        ) => Decision::Answer(Status::Stale(Why::Refreshing), Background::Load),
        (
            Found::Stale {
                revalidate: Beyond,
                on_error: Within,
            }
            | Found::Expired { on_error: Within },
            Throttled::No,
        ) => Decision::LoadOrFallBack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done with what a read has found, row by row.
    #[test]
    fn what_is_done_with_what_was_found() {
        use Window::{Beyond, Within};
        let stale = |revalidate, on_error| Found::Stale {
            revalidate,
            on_error,
        };
        let expired = |on_error| Found::Expired { on_error };
        let load = Decision::Load;
        let fall_back = Decision::LoadOrFallBack;
        let absent = Decision::Absent;
        let hit = Decision::Answer(Status::Hit, Background::Nothing);
        let refresh = Decision::Answer(Status::Hit, Background::Load);
        let refreshing = Decision::Answer(Status::Stale(Why::Refreshing), Background::Load);
        let throttled = Decision::Answer(Status::Stale(Why::Throttled), Background::Nothing);

        #[rustfmt::skip]
        let table = [
            // What was found                             what is done, and if a load has failed lately
            // Nothing.
            (Found::Nothing,                              load,       load),
            // That there is no such thing.
            (Found::Absence,                              absent,     absent),
            // A value that is fresh;
            (Found::Fresh,                                hit,        hit),
            // and due for a refresh.
            (Found::Due,                                  refresh,    hit),
            // One that is stale: within stale_while_revalidate, and within stale_if_error or not;
            (stale(Within, Within),                       refreshing, throttled),
            (stale(Within, Beyond),                       refreshing, throttled),
            // within stale_if_error alone;
            (stale(Beyond, Within),                       fall_back,  throttled),
            // beyond both, though it is still there.
            (stale(Beyond, Beyond),                       load,       load),
            // One that was expired by hand: within stale_if_error;
            (expired(Within),                             fall_back,  throttled),
            // beyond it.
            (expired(Beyond),                             load,       load),
        ];
        for (found, done, after_failure) in table {
            assert_eq!(decide(found, Throttled::No), done, "{found:?}");
            assert_eq!(decide(found, Throttled::Yes), after_failure, "{found:?}");
        }
    }
}
