//! The bounds of what a server sends: how long a string of it may be, and how long a reply may take.
//!
//! The client keeps what it reads until a reply is complete, and a reply says itself how long it is. So the
//! bytes are watched on their way to the client. They are never changed, only left out.

use std::{
    io,
    time::{Duration, Instant},
};

/// What a server says in a line is shorter.
const LONGEST_LINE: usize = 64 << 10;

const LINE_END: u8 = 2;

/// What a connection may bring in.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// The length of the longest string. Of a longer one, the client gets only the beginning; no value is like
    /// that.
    pub(crate) string: usize,
    /// After this, nobody waits for a reply any more.
    pub(crate) reply: Duration,
}

/// Watches what comes in.
pub(crate) struct Incoming {
    bounds: Bounds,
    place: Place,
    last: u8,
    /// How many values the reply consists of yet, this one included. 0 between replies.
    values: u64,
    /// When the reply began, as far as it is known to be incomplete.
    began: Option<Instant>,
}

/// Where in a reply.
enum Place {
    /// Before the byte that says of what kind a value is.
    Kind,
    Line(Line),
    /// In a string: so many bytes are kept yet, and then so many left out.
    String {
        kept: usize,
        left_out: usize,
    },
    /// Behind a string.
    End(u8),
}

struct Line {
    kind: Kind,
    length: usize,
    number: Number,
}

/// What follows a line.
#[derive(Clone, Copy)]
enum Kind {
    /// Nothing: the line is the value.
    Line,
    /// So many bytes.
    String,
    /// So many times `each` values, and `more`.
    Values { each: usize, more: usize },
}

/// What the digits of a line say.
#[derive(Clone, Copy)]
enum Number {
    /// That there is no value.
    Negative,
    Below {
        number: usize,
    },
    /// The digits in `kept` stay, and the others are left out.
    Over {
        kept: usize,
        number: usize,
    },
}

impl Incoming {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            place: Place::Kind,
            last: 0,
            values: 0,
            began: None,
        }
    }

    /// Leaves out what is too long. Returns how many bytes there are then.
    pub(crate) fn keep(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            let (length, is_kept) = self.step(&bytes[at..]);
            if is_kept {
                if kept < at {
                    bytes.copy_within(at..at + length, kept);
                }
                kept += length;
            }
            at += length;
        }
        if self.values > 0 {
            self.began.get_or_insert_with(Instant::now);
        }
        kept
    }

    /// Fails if the reply has been coming in for too long.
    pub(crate) fn check_time(&self) -> io::Result<()> {
        match self.began {
            Some(began) if began.elapsed() > self.bounds.reply => {
                let late = format!("a reply did not end within {:?}", self.bounds.reply);
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, late))
            }
            _ => Ok(()),
        }
    }

    /// The length of a part at the beginning of these bytes, and whether it is kept.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        match &mut self.place {
            Place::Kind => {
                self.values = self.values.max(1);
                self.place = Place::Line(Line::new(Kind::of(bytes[0])));
                self.last = 0;
                (1, true)
            }
            Place::Line(line) => {
                let byte = bytes[0];
                let is_kept = line.add(byte, self.last, self.bounds.string);
                let ends = self.last == b'\r' && byte == b'\n';
                self.last = byte;
                if ends {
                    self.end_line();
                }
                (1, is_kept)
            }
            Place::String {
                kept: 0,
                left_out: 0,
            } => {
                self.place = Place::End(LINE_END);
                (0, true)
            }
            Place::String { kept: 0, left_out } => {
                let length = bytes.len().min(*left_out);
                *left_out -= length;
                (length, false)
            }
            Place::String { kept, .. } => {
                let length = bytes.len().min(*kept);
                *kept -= length;
                (length, true)
            }
            Place::End(left) => {
                *left -= 1;
                if *left == 0 {
                    self.end_value(0);
                }
                (1, true)
            }
        }
    }

    fn end_line(&mut self) {
        let Place::Line(Line { kind, number, .. }) = self.place else {
            return;
        };
        let (kept, left_out) = match number {
            Number::Negative => return self.end_value(0),
            Number::Below { number } => (number, 0),
            Number::Over { kept, number } => (kept, number - kept),
        };
        match kind {
            Kind::Line => self.end_value(0),
            Kind::String => self.place = Place::String { kept, left_out },
            Kind::Values { each, more } => {
                self.end_value(kept.saturating_mul(each).saturating_add(more));
            }
        }
    }

    /// A value has come in, and said that so many come after it.
    fn end_value(&mut self, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.values = (self.values - 1).saturating_add(more);
        if self.values == 0 {
            self.began = None;
        }
        self.place = Place::Kind;
    }
}

impl Line {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            length: 0,
            number: Number::Below { number: 0 },
        }
    }

    /// Whether this byte, which comes after the other, is kept. The client looks for the end of the line.
    fn add(&mut self, byte: u8, before: u8, longest_string: usize) -> bool {
        self.length = self.length.saturating_add(1);
        let is_end = byte == b'\r' || (before == b'\r' && byte == b'\n');
        if is_end || self.length > LONGEST_LINE {
            return is_end;
        }
        let bound = match self.kind {
            Kind::Line => return true,
            Kind::String => longest_string,
            Kind::Values { .. } => usize::MAX,
        };
        if byte == b'-' {
            self.number = Number::Negative;
        }
        if !byte.is_ascii_digit() {
            return true;
        }
        let digit = usize::from(byte - b'0');
        let with_digit = |number: usize| number.saturating_mul(10).saturating_add(digit);
        self.number = match self.number {
            Number::Negative => Number::Negative,
            Number::Below { number } if with_digit(number) <= bound => Number::Below {
                number: with_digit(number),
            },
            Number::Below { number } => Number::Over {
                kept: number,
                number: with_digit(number),
            },
            Number::Over { kept, number } => Number::Over {
                kept,
                number: with_digit(number),
            },
        };
        !matches!(self.number, Number::Over { .. })
    }
}

impl Kind {
    /// By the first byte of a value.
    const fn of(byte: u8) -> Self {
        match byte {
            b'$' | b'!' | b'=' => Self::String,
            b'*' | b'~' | b'>' => Self::Values { each: 1, more: 0 },
            b'%' => Self::Values { each: 2, more: 0 },
            b'|' => Self::Values { each: 2, more: 1 },
            _ => Self::Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        string: 200,
        reply: Duration::from_secs(3_600),
    };

    /// What is kept of these bytes, which come in by so many.
    fn kept(bytes: &[u8], by: usize) -> (Vec<u8>, Incoming) {
        let mut incoming = Incoming::new(BOUNDS);
        let mut kept = Vec::new();
        for part in bytes.chunks(by) {
            let mut part = part.to_vec();
            let length = incoming.keep(&mut part);
            kept.extend_from_slice(&part[..length]);
        }
        (kept, incoming)
    }

    #[track_caller]
    fn assert_kept(bytes: &[u8], expected: &[u8]) {
        for by in 1..=bytes.len() {
            let (kept, incoming) = kept(bytes, by);
            assert_eq!(kept, expected, "by {by}");
            assert_eq!(incoming.values, 0, "by {by}: it is complete");
            assert!(incoming.began.is_none());
        }
    }

    #[test]
    fn replies_that_are_in_bounds_are_kept_as_they_are() {
        let long = [&b"$200\r\n"[..], &[b'\r'; 200], b"\r\n"].concat();
        for reply in [
            &b"+OK\r\n"[..],
            b":-5\r\n",
            b"-ERR no \r such\n thing\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"$0\r\n\r\n",
            b"$5\r\n$9\r\n\r\r\n",
            b"*3\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n*0\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"|1\r\n+a\r\n:1\r\n$2\r\nab\r\n",
            &long,
        ] {
            assert_kept(reply, reply);
            assert_kept(&reply.repeat(3), &reply.repeat(3));
        }
    }

    #[test]
    fn of_a_string_that_is_too_long_the_beginning_is_kept() {
        let string = |length: usize| {
            let mut string = format!("${length}\r\n").into_bytes();
            string.extend((0..length).map(|at| b'a' + (at % 26) as u8));
            string.extend_from_slice(b"\r\n");
            string
        };
        // The first digits of the length make the beginning's.
        for (length, kept) in [(201, 20), (999, 99), (2_000, 200), (10_010, 100)] {
            assert_kept(&string(length), &string(kept));
        }
        let bytes = [&b"*3\r\n:1\r\n"[..], &string(1_234), b":2\r\n+OK\r\n"].concat();
        let expected = [&b"*3\r\n:1\r\n"[..], &string(123), b":2\r\n+OK\r\n"].concat();
        assert_kept(&bytes, &expected);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let line = [&b"-"[..], &vec![b'x'; 3 * LONGEST_LINE], b"\r\n+OK\r\n"].concat();
        for by in [7, 1_000, line.len()] {
            let (kept, incoming) = kept(&line, by);
            assert_eq!(kept.len(), 1 + LONGEST_LINE + 2 + 5);
            assert!(kept.ends_with(b"x\r\n+OK\r\n") && incoming.values == 0);
        }
    }

    #[test]
    fn a_reply_has_its_time_and_a_connection_has_not() {
        let bounds = Bounds {
            reply: Duration::ZERO,
            ..BOUNDS
        };
        let mut incoming = Incoming::new(bounds);
        incoming.check_time().expect("nothing has begun");
        incoming.keep(&mut b"+OK\r\n*2\r\n$1\r\n".to_vec());
        while incoming.check_time().is_ok() {
            std::hint::spin_loop();
        }
        incoming.keep(&mut b"a\r\n:1\r\n".to_vec());
        incoming.check_time().expect("it is complete");
    }
}
