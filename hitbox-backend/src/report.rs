//! An error with its causes, in one line.

use std::{error::Error, fmt};

use crate::BackendError;

impl BackendError {
    /// The error and what caused it in one line, for a log: each text of the chain of
    /// [sources](Error::source) once, also where an error repeats that of its source.
    ///
    /// ```
    /// use std::io;
    /// use hitbox_backend::{BackendError, BackendErrorKind, Operation};
    ///
    /// let refused = io::Error::other("connection refused");
    /// let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Read, "redis".into())
    ///     .with_detail("no connection to cache.internal:6379")
    ///     .with_source(refused);
    /// assert_eq!(
    ///     error.report().to_string(),
    ///     "redis: read: unavailable: no connection to cache.internal:6379: connection refused",
    /// );
    /// ```
    #[must_use]
    pub const fn report(&self) -> Report<'_> {
        Report(self)
    }
}

/// Shows an error with its causes. Made by [`BackendError::report`].
#[derive(Clone, Copy, Debug)]
pub struct Report<'e>(&'e BackendError);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !told.contains(&text) {
                // Some errors begin with what the one before has said.
                let last = told.rsplit(": ").next().unwrap_or_default();
                let rest = text.strip_prefix(last).filter(|_| !last.is_empty());
                match rest {
                    Some(rest) => told.push_str(rest),
                    None => {
                        told.push_str(": ");
                        told.push_str(&text);
                    }
                }
            }
            cause = error.source();
        }
        f.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BackendErrorKind, Operation};

    #[derive(Debug)]
    struct Chained(&'static str, Option<Box<Chained>>);

    impl fmt::Display for Chained {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Chained {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self.1.as_deref()?)
        }
    }

    #[test]
    fn each_text_is_told_once() {
        let cases: [(&[&str], &str); 5] = [
            (&[], "store: read: timeout: late"),
            (&["late"], "store: read: timeout: late"),
            (
                &["lost", "reset"],
                "store: read: timeout: late: lost: reset",
            ),
            (
                &["lost: reset", "reset"],
                "store: read: timeout: late: lost: reset",
            ),
            (
                &["lost", "lost: reset"],
                "store: read: timeout: late: lost: reset",
            ),
        ];
        for (causes, told) in cases {
            let chain = causes
                .iter()
                .rev()
                .fold(None, |inner, text| Some(Box::new(Chained(text, inner))));
            let kind = BackendErrorKind::Timeout;
            let error =
                BackendError::new(kind, Operation::Read, "store".into()).with_detail("late");
            let error = match chain {
                Some(cause) => error.with_source(cause),
                None => error,
            };
            assert_eq!(error.report().to_string(), told);
        }
    }
}
