/// The setters of a type that has `Overrides` in this place: the builder, a keyspace, a call. So they are the same on
/// all. `const` where the place is no box.
macro_rules! setters {
    (const $($place:ident).+) => {
        $crate::settings::setters!(@ [const] $($place).+);
    };
    ($place:ident) => {
        $crate::settings::setters!(@ [] $place);
    };
    (@ [$($const:tt)?] $($place:ident).+) => {
        /// For how long what a load returns is fresh, from the end of the load. What a loader says of its own value
        /// ([`Loaded::ttl`](crate::Loaded::ttl)) comes first. Zero is refused, unless stale values are served.
        pub $($const)? fn ttl(mut self, ttl: ::std::time::Duration) -> Self {
            self.$($place).+.life = Some($crate::settings::Life::For(ttl));
            self
        }

        /// What a load returns is fresh until it is removed, expired by hand, or evicted.
        pub $($const)? fn never_expires(mut self) -> Self {
            self.$($place).+.life = Some($crate::settings::Life::Forever);
            self
        }

        /// Shortens each `ttl` by up to this fraction, from 0 to 0.5, so that what was loaded together is not loaded
        /// together again. Default: 0.
        pub $($const)? fn jitter(mut self, fraction: f32) -> Self {
            self.$($place).+.jitter = Some(fraction);
            self
        }

        /// For how long it is known that there is no such thing ([`Loaded::absent`](crate::Loaded::absent)).
        /// Default: zero, which is for those who wait for the load and nobody else.
        pub $($const)? fn absent_ttl(mut self, ttl: ::std::time::Duration) -> Self {
            self.$($place).+.absent_ttl = Some(ttl);
            self
        }

        /// For how long after its `ttl` a value is served at once, while it is loaded anew in the background (RFC 5861,
        /// section 3). Default: zero.
        pub $($const)? fn stale_while_revalidate(mut self, window: ::std::time::Duration) -> Self {
            self.$($place).+.stale_while_revalidate = Some(window);
            self
        }

        /// For how long after its `ttl` a value is served where the load fails, or is slower than the
        /// [`soft_timeout`](Self::soft_timeout) (RFC 5861, section 4). Default: zero.
        pub $($const)? fn stale_if_error(mut self, window: ::std::time::Duration) -> Self {
            self.$($place).+.stale_if_error = Some(window);
            self
        }

        /// When a value is loaded anew, in the background, though it is still fresh. Default: never.
        pub $($const)? fn refresh(mut self, refresh: $crate::Refresh) -> Self {
            self.$($place).+.refresh = Some(refresh);
            self
        }

        /// For how long after a failed load no other one is begun, while there is a value to serve. It doubles with
        /// each failure in a row, up to a minute, and half of it is left to chance. Default: five seconds.
        pub $($const)? fn retry_after(mut self, wait: ::std::time::Duration) -> Self {
            self.$($place).+.retry_after = Some(wait);
            self
        }

        /// After so long a caller who waits for a load gets the stale value, if there is one that
        /// [`stale_if_error`](Self::stale_if_error) allows. The load goes on, if it has begun. It is refused where `stale_if_error` is
        /// not set, if it is zero, and if the `hard_timeout` beside it is not longer. Default: none.
        pub $($const)? fn soft_timeout(mut self, wait: ::std::time::Duration) -> Self {
            self.$($place).+.soft_timeout = Some(wait);
            self
        }

        /// After so long a caller gets an error. A load goes on, if it has begun. It covers the read of the backend, too: a backend's own deadline must be
        /// well below it, or a backend that hangs leaves no time for a load. Default: none.
        pub $($const)? fn hard_timeout(mut self, wait: ::std::time::Duration) -> Self {
            self.$($place).+.hard_timeout = Some(wait);
            self
        }

        /// After so long a load is dropped, and all who wait for it get an error. It runs from when the first of them asked, the wait for a
        /// place among it. That of the call that began the load counts. Default: a minute.
        pub $($const)? fn load_deadline(mut self, wait: ::std::time::Duration) -> Self {
            self.$($place).+.load_deadline = Some(wait);
            self
        }
    };
}

pub(crate) use setters;
